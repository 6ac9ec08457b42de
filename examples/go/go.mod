module keyward-example

go 1.19
