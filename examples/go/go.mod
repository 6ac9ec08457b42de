module keyward-example

go 1.19

require github.com/go-jose/go-jose/v3 v3.0.5
