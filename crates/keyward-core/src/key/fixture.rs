//! Fixed keys for tests: made once with OpenSSL, used nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Algorithm, Key};

pub(crate) const RSA_1024: &str = "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAL33neOR3Y/wnnunJjNtw4qkw4sm3AWU1KpPzRSS25SMNbxmd2tJSbsJ\
    3+/0E+P+K5HR6/TCjQ4kWLOq8FCqemrTPKXGyOr/dgaPhB0+BPU08702Ceb/hrsyf+2sNE9x5OPZt891Eu0aE9vdqciB4R7eT/zGewm0\
    +hLivk76Za3bAgMBAAECgYEAnI+CtJb2vzZTpx0uwpvn2E/KSNiR5JewXVy/bAFMrrSPZOId8XHJLjkJMj06V2CWj+suR94/WjRiVlC/\
    FfwqPoom6L6ajWr8JcJccd2+rVbCdHkLqi64ElxYj/0BIkfq9Bi3Fw0HtWLZK8m+214S9s1bePlunYD5Aliu1XHR7+ECQQD4NH65hzQ6\
    7w3eMSJ/yQ9aR9Vo0RgOP2A5qca8s0Jd+UX9/L/SnrN4S7bXLXIlDAzezAuHVxo3t9Y2CWPt2jfnAkEAw+7nm8+VCGRjHX4IoSYPzZdI\
    MLd+kKd9dLywXDB1+LpJMKt1iYxPbCKpAJiPyMW6gH/85uiGGXxjAE8oDh8L7QJAD6zpD/iNAOfWHWFHB4EAOjhtLvh9p3CzOBET3xkH\
    KP40QG01BC1HsmI9wus42UQgj/WdCMgkfL5chf8j04LDowJBAI2xHWk+SwaQomTXmiH/xnnlJ12jtTGjDkT3l4pzuTywavF5bTyVbXJD\
    9nfp3EFTTLZU2G2cRi30GBxHIi5kIVkCQHZc1Y/4rESE1beS6AGMiTfN8Pt+C9ZofPplE6E/6RL8fKXiZ4cqsxiFQw0t4U7MzYY3nj33\
    fZk8/IUx9Zf94ko=";

pub(crate) const RSA_E3: &str = "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCzCyrMIYLwB2NGrCi9G0aAC7MoRPU7dnilEXhKZraxzJ5vDJOFfk84\
    oExxNf2hIykGdIegaGSUnc/ZOoIfQ0WAPcH0rBvBRRO/1elxgHM8SngCiPapymMZVMpl01WjPhtX2UKMMKz7BunezlVLH7EQKSvtc8jI\
    GXpNymDIoy+j/4UewSqHTScpmEqMkANpohowCPW16r/Br3D5y7moJlslnqrqQghsM8FZfPZYrhJX9VNtYDvNJZ5/7uRQya9JLEkbNTai\
    ibAoj8q3FLRWFcysMRo7NLnf+H4PDppIuXkfo5pigCpg7IDSdPFL6sYn696yHn7qKo3adGA5DM5/CSnRAgEDAoIBAHdcxzLBAfVaQi8d\
    cH4SLwAHzMWDTiekUG4LpYbvJHaIaZ9dt65UNNBq3aDOqRYXcK74WmrwQw2+ipDRrBTXg6rT1qMdZ9YuDSqOm6EATNLcUAGwpHExl2Y4\
    hu6M48IpZ4/mLF11yKdZ8T80ONy/y2Abcp5NMIVmUYkxldsXdRf+kF6/ipQEMYUxiirynpu6Bf9aQePcKMjyQ435RxUTR4Vp8SvyzsQb\
    RM0G/YzRPnubHJKuTSoKPu2KlhoXl7kbv959qt1c/gdVT+1naAp1uDhZf+PJTjzDp0DKPg5xs6e1AVFmpaGK75/C6pyvd5UgNKBmmF0y\
    A+cYAJ47pFOOgksCgYEA31Pk8IJ/n+nZmpSAer1XiApbIAHiIXzW/c2C5Ugo+MCAJFU0iHw2YVU85IAQ/p4958WaGuBjE7UQOcBmyIMA\
    ec9lEm7vSls3Zm6LkzIAfjcQTigwepOOyN4JnjKLgP0wio9xKeKQuJiMe3hnGWTgD21RGlAFgmjf9IA6aOflGJ0CgYEAzTy86ibHPPf0\
    YLejmsKziSamct4+YRdtDddS6cBgdxz/nNMhScnUeNC1lYVjNgBOwMvArS2zLGaOyWk/gzCCL34To+eO6MJYbGRuBRRkuiCajD1WSfFE\
    Ok/VnwCDaqbjjdj1CAwLYMpEFeh8eWNbgFQzgA5aBZbwast47xnOTcUCgYEAlOKYoFb/v/E7vGMAUdOPsAbnaqvsFlM5/okB7jAbUIBV\
    bY4jBagkQON97aq1/xQpRS5mvJWXYni1e9WZ2wIAUTTuDEn03DzPmZ8Ht3aq/s9gNBrK/GJfMJQGaXcHq1N1sbT2G+xgexBdp6WaEO3q\
    tPOLZuADrEXqowAm8JqYuxMCgYEAiNMonBnaKKVNlc/CZyx3sMRu9z7UQLpIs+Th8Srq+hNVEzdrhoaNpeB5DljszqrfKzKAc3PMyERf\
    MPDVAiBWylQNF++0myw68u2erg2YfBW8XX45hqDYJt/jv1Ws8cSXs+X4sAgHldwtY/BS+5eSVY13qrQ8A7n1nIel9Lve3oMCgYA6iyeK\
    R1yYWHgSSamrxGzdPLw5qpTDBs2RDaIUPwBy4rfLhCE1ijHinBsLe2U/YbV/5UPzg5er4FTD/ZA0+Mjah8ErlRAZfQ6yuZpsDFF2UGWy\
    BItDcTaqxI8nPoqrUThzy2WzPxLg57nFH+sFP0pp4Ke92TnytQHB1lhrahH9rQ==";

pub(crate) const P384: &str = "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBhaOK45q0qAMFHLyh7Fsiare7/xVUKAQKN/q2sGlTuRSScLGOXc+rB5h1y\
    B3vHdoyhZANiAASXQovgWwH74OkqZvT8bU3HO4ZQ0aLUDZK/f90vXbVLBWh1D/SRLI9S2Be04attWpq7u75B1dIMzt4+33YoQqQwj+cM\
    T2ix5BmM4ASUsjLdkadFXwi8XlPNMuJX87UsFJg=";

const RSA: [&str; 2] = [
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCa/CbjImv/MbeLbCCker8pDa/M1VCNLduoHqiqe4jBDC0gC/YPzCVZ\
    gG8v65c9xC58IPpB/G7HlU0Jp7mfNsxNrMa5Lu1Aj7MF5VFM5c5ofu38hWc8PVpE0rYHLQJaxfzKucNbYr1Cw+nM2emOgvh65zC8ZW8H\
    CNkprPDeh08G0Tl+DCGaX7kTZQfiYCHWKiT9i17bqF4VHwEx25kXtSztPekxzP8EmhlNLqPfKQKbLOltkhEjHgoBWmjNtI+1TFDxehEJ\
    xpmtwAQByRdQ3hj872z7EOZWQa2jAB03foWFoOalCMzuLt23/1OcM1Z5IyAg+kd9Tp7iZl4DqcW9AipbAgMBAAECggEAQiKjfX0s1KMk\
    jaxAaa+vbxdWE3RbgUM2XpFmrAk3HBnUD77K64bT0VOLHsnLqiHTLEjuQcY0h5pgW2RlQ1mg6Ox3iIJL36byX+uxO708zT6M05shqIUN\
    xhycbId6X73o16FZid+in6D2XeIHVjbxTZDmLR6juD7AXJZd2rems2NewypbH1diUapHlBvv/mqmC8x2dVkXYqhkp9uXX+54FCtEitX9\
    ZMEXpQEE5nYU/DrMRr8yUEbTC2aKP7b/xPG5pkgHH52G5Pi7EbdGoyaubXEqPfICZf8icD533XyCDKrpCb4fNc+oSgjuvtdNvRiJRvnW\
    TKtcyzmTi0e4VPpJUQKBgQDIE7WGX/vKYvaemThmFRAAblR+DUzO78sgv63Z/irAiWdOZg9erFeRTB04kW6MCSN7eFk4m0NItT4Dr1hW\
    iUNJJGbtYN/2Q/+eJcqBaQqyktxhVGPyNyJfoF7INXYB2r/BNqytLgKmsi/MHjEMFkatt++B+Roi3rw0vXUKdIWgjwKBgQDGTe60xTux\
    0u+wywSUyrCJ0QuKd7EkYEywIQkeix/oXZU9Iaew+tkqVv/c2rDIiEMrC+kRgoQ4OUHt8ykOrga8jivvBxbgBrDRRJpYqV2E4K1Pp6l0\
    IXOgjFWSogXh2eKv0Juk1O0NNc2LfETtGoFvSLyVvxFyrAC7gqECIOYndQKBgASK7gQvCbh+prrTH8Sxlbtsxd5Wzvej2ijUMU5Rxwa4\
    F/BfwNmVcCeMYt1179yeGIAlK2FtpQlxlAbhZFASrcRrXyrkmDEvOg6NLRvjFqsXSomrMNm/BrjFG2HQVO2V2eS5KRKFiOngAdXQmax8\
    lP48vuNklINWK0/HPXEPVDlhAoGAI+0Afu1wiCG/3Naa6N3jp8QghCB1DjMIEayae1cXG8DAhcewGqcHat1CE1/nQR02lfjda5eqnoj5\
    AcPYv1kVzVkwamhtY36yz+bO05szXxxZKaIlV+2rhf2Gjz8dM7KGl/WCDRWqMId7ynZkAlSX+HJEABkSbyTsKQxcYQdWyvUCgYBuU+Pw\
    fqk89CJpTyB9f5C4+b0BblrcyNCW5Ikju74RJ9IMGztIR5WZqbQKzYX1ajogjph3wDXZEswXCuV/KZNU9aKW+YqqtG7yWxsM/dgptX55\
    r9EBamcL7OdYdf+z+UJoStV6qj3JFRJDC2oSlSYABvDXgiA0D0hk5glN30GP9A==",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQClLU5UNSOfMuuqxsYpHsJbpg7qujd3RpuoU616o6ty5wRB8LLfrIKs\
    /+Em2CX3uw3OxBUeZiDM7VSh5gl2QmJzGOOsA1QHWSOcgrRjdheKCWcW/p6AFSiNwZ02A382f0il7e688He+Hsb44AkBJhyfSw6xjt5m\
    ggJ6GM3bBAK2nZIuDz4YKaevZ66TPUjsviRVvjpUivuJQ1HM6Eqh7l3lbZhIsyQIKFognQBLHyMMQA8TKoR4/lyb+TZvJunGm7b+lwzp\
    MobM8cpm/f6JIkZTpDt8mYvfRXmYKJaxAXlkLhGyg3e/eiuytBXyMYDyCu5BZ97uW4NLoYd8lZiiYhxZAgMBAAECggEACnbsV3lmYFeh\
    hphBRamlNpk2qLhTe0MF6YwjmXl1CzqHkoXlTzZmsP8lDIj1HtTC8y6JB/wAZ/tBOWCRiOR7yD7zbZpoYG7NSsUdGJAKvbwKw/ItqH+u\
    qgxyIVHnZVR7DcgdL+ssKudYQ7wt1dzMQ2tF6wnaHTRvY7zejdmbMmZ/CygVbvEeVKwlNpg9npdyIW7lM9afCWHxsDhU+mzJVv6ZDa0A\
    ulVAi1l1zGk/PM2HFHSy4tZnt6QcFwMNrByyCKX1kiM570Or0asRzgAyrTUbz1ELeSIH7mq9kaeeEk7z+O0z4OaiQkdBuq42OmVO+4s9\
    RTReYeUV48VTOaA7gQKBgQDg+Ce3tRqfxhAusCmbjBbXPEc0ZyNfqr9wnEmBw6QQjvmpWkU5XhRHHT7Y7N50YhmXrnnNAOxzsfXnP3z7\
    4h4++DIQf44qtPwjDt3h2FMUBrNE3my9btixn/4tS/xJUXEflLOF0nfQGWYs70XMPPBR9oUIZGuRx14nleu8eIsVZQKBgQC79dW7Obbn\
    /G0WKUa3UI6YBS2csfpsBepJoHcA7fcz8tGmKMDh06Lw8P5kK4GRMIPyF4JkIyZ4FDJuj+bN4eC6SPwIPq35Se0UBlA8r7MKA3WWKPlV\
    80quSt40WF576nl5xPQmU/Hisd+qvd5U+m9dmK7+9V236aj/qct2ngkF5QKBgFbraiUPYvcCRnRTee/wQ07rqjMz+jXXOdofeEMbvMLt\
    CscE6qQMllcXlJWphxV+ZZb2QXcUeUcGJhUvsXF8XuVDbcx0DBCyFozRDKdatlaRdCgSq/7Q2gZe44zKw/Hr9oIWKPp2Y/ZSKekIlXYg\
    wVVZovKoIeuUFOvEf+00wcAFAoGBAI5hylc6gBi5+jS4bc49otb7zTKPDAE6deDyQlOc8A8VGMVCx+IJvLvCAyMEZfEDDGCeeHK8wc5i\
    llV0gsVhHyheUzU3rfhSjNoHck6WVgz20+M9BKucUe03351Nd71swDqC/OPv4SL11VX04HAFCcmf+KhAXI8N3KxXBj7DtlgVAoGAW0ew\
    FMuXetJ64ws9J14zmm8Aac8F3S6gD5l19/4k1ysFK8uxJWtZUqYNXD5rSybO4UqiT1pYg40ukGRK8zFaGPqfByMpcTEBInDieYrP8N0D\
    AFVlFGeDD0oVv4Ntmtz8bUwOn5bUKXSjpqCgRmkxBx99FbY3shqnZ8OFm3qkkGc=",
];

const EC: [&str; 2] = [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5QNCQbzhZNG1OGVmW/DJXnQKTU7J71VVTUUXaaCzWQmhRANCAARTUB5P\
    l9snBhP0eL9+doQGTgcfNbPoMFZJ6n3AOoX+09g/dcbfODth7TAs/USzpXVw9uTuWmBwErIvZvR7CsOB",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3TzSPbqTTEEPSom7Tn7Lx9uhyHQrRxqMYWkvJx7nym+hRANCAATnc2Et\
    WzEfINbk0HQkMPDgQgZT7nusIFNP4x8VPN/kY8vmkN8QdiI0yWChFM9nABVJdEYSwXpIN21Uibf3f1u3",
];

const ED: [&str; 2] = [
    "MC4CAQAwBQYDK2VwBCIEICy1wGZds/bPPRxQSVpQKCENi0nXrSkU/KocfhV71YCi",
    "MC4CAQAwBQYDK2VwBCIEIOxztQICmSsEiGYuufCZFBz9avO4/qLSNF9j5Q6fg5Zq",
];

const SECRET: [&[u8]; 2] = [b"u8Qx0rN2mV5tYw7zB1cD4fG6hJ9kL3pS", b"3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLd"];

pub(crate) fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("base64")
}

fn bytes(algorithm: Algorithm, which: usize) -> Vec<u8> {
    match algorithm {
        Algorithm::Rs256 => decode(RSA[which]),
        Algorithm::Es256 => decode(EC[which]),
        Algorithm::EdDsa => decode(ED[which]),
        Algorithm::Hs256 => SECRET[which].to_vec(),
    }
}

pub(crate) fn private(algorithm: Algorithm) -> Vec<u8> {
    bytes(algorithm, 0)
}

pub(crate) fn key(algorithm: Algorithm) -> Key {
    Key::from_private(algorithm, &bytes(algorithm, 0)).expect("a key")
}

pub(crate) fn other(algorithm: Algorithm) -> Key {
    Key::from_private(algorithm, &bytes(algorithm, 1)).expect("a key")
}
