//! Is this the right password? What is kept of one, and how it is found again.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{Cost, Password};

const SALT: usize = 16;
const OUTPUT: usize = 32;

/// What is kept of a password: a PHC string, such as
/// `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<output>`. It does not show itself.
///
/// It can be any of argon2's variants and versions, so that hashes from elsewhere are good until
/// the next login, and is never more work than a [`Cost`] may be, wherever it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// A text that is no [`PasswordHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHash;

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a PHC string of argon2 with m, t, p, salt and output within bounds")
    }
}

impl std::error::Error for InvalidHash {}

impl PasswordHash {
    /// A hash of this cost that no password is known for: whoever verifies against it where there
    /// is no account works as long as for one that there is.
    pub fn dummy(cost: &Cost) -> Self {
        Self::made(cost, [0; SALT], &[0; OUTPUT])
    }

    /// The PHC string: what a store keeps.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a new hash should take its place at the next login: one of today's parameters is
    /// higher than its own, or it isn't argon2id of version 19.
    pub fn needs_rehash(&self, today: &Cost) -> bool {
        self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || today.any_is_higher_than(&self.cost)
    }

    fn made(cost: &Cost, salt: [u8; SALT], output: &[u8; OUTPUT]) -> Self {
        let text = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            cost.memory_kib(),
            cost.iterations(),
            cost.parallelism(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output),
        );
        Self {
            text,
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            cost: *cost,
            salt: salt.to_vec(),
            output: output.to_vec(),
        }
    }
}

impl FromStr for PasswordHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let phc = phc::PasswordHash::new(text).map_err(|_| InvalidHash)?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| InvalidHash)?;
        // The first strings of argon2 named no version: it was 16.
        let version = Version::try_from(phc.version.unwrap_or(16)).map_err(|_| InvalidHash)?;
        // Each of the three exactly once, and nothing beside them: a `keyid` would need a secret
        // that isn't here.
        let number = |name: &str| phc.params.get_decimal(name).ok_or(InvalidHash);
        if phc.params.iter().count() != 3 {
            return Err(InvalidHash);
        }
        let cost = Cost::new(number("m")?, number("t")?, number("p")?).map_err(|_| InvalidHash)?;
        let salt = phc.salt.ok_or(InvalidHash)?.to_vec();
        // A shorter output would let too many passwords in.
        let output = phc.hash.filter(|output| output.len() >= 16).ok_or(InvalidHash)?;
        Ok(Self { text: text.to_owned(), algorithm, version, cost, salt, output: output.as_bytes().to_vec() })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// The memory that argon2 works in. Who hashes keeps one and gives it to every hash: allocated
/// anew each time, it fragments the heap and residence grows a hundredfold.
///
/// It is wiped after each hash.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// How many blocks of 1 KiB stay allocated between two hashes. More than that, which an
    /// imported hash may ask for, is given back at once: it is too large to fragment the heap.
    const KEPT: usize = 64 << 10;

    /// How many KiB it holds now.
    pub fn size_kib(&self) -> usize {
        self.0.len()
    }

    fn run(
        &mut self,
        (algorithm, version, cost): (Algorithm, Version, &Cost),
        password: &Password,
        salt: &[u8],
        output: &mut [u8],
    ) -> argon2::Result<()> {
        let params =
            Params::new(cost.memory_kib(), cost.iterations(), cost.parallelism(), Some(output.len()))?;
        let needed = params.block_count();
        if self.0.len() < needed {
            // The smaller one goes first, so that the two are never there together.
            self.0 = Vec::new();
            self.0 = vec![Block::new(); needed];
        }
        let blocks = &mut self.0[..needed];
        let result = Argon2::new(algorithm, version, params).hash_password_into_with_memory(
            password.as_str().as_bytes(),
            salt,
            output,
            &mut *blocks,
        );
        // After a single pass, the first blocks would tell a reader of this memory in one quick
        // hash whether a guess is right.
        blocks.fill(Block::new());
        if self.0.len() > Self::KEPT {
            self.0 = Vec::new();
        }
        result
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("kib", &self.0.len()).finish()
    }
}

/// The hash of a password, by argon2id at this cost, with a salt that must be fresh and random.
pub fn hash(password: &Password, salt: [u8; SALT], cost: &Cost, memory: &mut Memory) -> PasswordHash {
    let mut output = Zeroizing::new([0; OUTPUT]);
    memory
        .run((Algorithm::Argon2id, Version::V0x13, cost), password, &salt, &mut output[..])
        .expect("argon2 takes every Cost, Password and salt of sixteen bytes");
    PasswordHash::made(cost, salt, &output)
}

/// Whether this is the password that the hash was made of. It takes as long for a wrong one as for
/// the right one.
pub fn verify(password: &Password, hash: &PasswordHash, memory: &mut Memory) -> bool {
    let mut output = Zeroizing::new(vec![0; hash.output.len()]);
    memory.run((hash.algorithm, hash.version, &hash.cost), password, &hash.salt, &mut output).is_ok()
        && verify_slices_are_equal(&output, &hash.output).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::try_from(text.to_owned()).expect("short enough")
    }

    fn cost(memory_kib: u32, iterations: u32, parallelism: u32) -> Cost {
        Cost::new(memory_kib, iterations, parallelism).expect("in range")
    }

    /// Strings of the reference implementation (phc-winner-argon2, `src/test.c`).
    #[test]
    fn it_agrees_with_the_reference() {
        let mut memory = Memory::default();
        for text in [
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        ] {
            let kept: PasswordHash = text.parse().expect(text);
            assert_eq!(kept.as_str(), text);
            assert!(verify(&password("password"), &kept, &mut memory), "{text}");
            assert!(!verify(&password("Password"), &kept, &mut memory), "{text}");
            let newest = text.starts_with("$argon2id$v=19$");
            assert_eq!(kept.needs_rehash(&cost(256, 2, 1)), !newest, "{text}");
        }
    }

    #[test]
    fn what_is_made_can_be_kept_as_text() {
        let mut memory = Memory::default();
        let made = hash(&password("hunter2"), [7; 16], &Cost::default(), &mut memory);
        assert!(made.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        assert_eq!(made.as_str().parse(), Ok(made.clone()));
        assert!(verify(&password("hunter2"), &made, &mut memory));
        let salted = hash(&password("hunter2"), [8; 16], &Cost::default(), &mut memory);
        assert_ne!(salted.output, made.output);
    }

    #[test]
    fn the_whole_password_counts() {
        let mut memory = Memory::default();
        let long = "x".repeat(72);
        for (right, wrong) in [
            (format!("{long}a"), format!("{long}b")),
            (format!("{long}a"), long.clone()),
            ("a\0b".to_owned(), "a\0c".to_owned()),
            ("a".to_owned(), "a\0".to_owned()),
            (" a".to_owned(), "a".to_owned()),
            ("a ".to_owned(), "a".to_owned()),
            ("a\n".to_owned(), "a".to_owned()),
            ("A".to_owned(), "a".to_owned()),
            ("\u{e9}".to_owned(), "e\u{301}".to_owned()),
            ("\u{fb01}".to_owned(), "fi".to_owned()),
            ("a".to_owned(), String::new()),
            ("x".repeat(4096), "x".repeat(4095)),
        ] {
            let kept = hash(&password(&right), [1; 16], &cost(8, 1, 1), &mut memory);
            assert!(verify(&password(&right), &kept, &mut memory), "{right:?}");
            assert!(!verify(&password(&wrong), &kept, &mut memory), "{right:?} {wrong:?}");
            let other_way = hash(&password(&wrong), [1; 16], &cost(8, 1, 1), &mut memory);
            assert!(!verify(&password(&right), &other_way, &mut memory), "{wrong:?} {right:?}");
        }
    }

    #[test]
    fn what_is_no_hash_or_too_much_work_is_refused() {
        const END: &str = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for beginning in [
            "",
            "$argon2id$v=19$m=256,t=2$",
            "$argon2id$v=19$m=256,t=2,p=1,keyid=8PDw8A$",
            "$argon2id$v=19$m=256,t=2,p=1,data=8PDw8A$",
            "$argon2id$v=19$m=256,t=2,m=256$",
            "$argon2id$v=19$m=256,t=2,p=1,p=1$",
            "$argon2id$v=19$m=-1,t=2,p=1$",
            "$argon2id$v=18$m=256,t=2,p=1$",
            "$argon2id$v=19$",
            "$argon2id$v=19$m=1048577,t=1,p=1$",
            "$argon2id$v=19$m=4294967295,t=1,p=1$",
            "$argon2id$v=19$m=4294967296,t=1,p=1$",
            "$argon2id$v=19$m=8,t=4294967295,p=1$",
            "$argon2id$v=19$m=1048576,t=5,p=1$",
            "$argon2id$v=19$m=256,t=0,p=1$",
            "$argon2id$v=19$m=256,t=2,p=0$",
            "$argon2id$v=19$m=256,t=2,p=33$",
            "$argon2id$v=19$m=1048576,t=1,p=65$",
            "$argon2id$v=19$m=1048576,t=1,p=4294967295$",
            "$argon2x$v=19$m=256,t=2,p=1$",
            "$scrypt$ln=14,r=8,p=5$",
            "$2b$12$",
        ] {
            assert_eq!(format!("{beginning}{END}").parse::<PasswordHash>(), Err(InvalidHash), "{beginning}");
        }
        for end in [
            "",
            "c29tZXNhbHQ",
            "c29tZXNhbHQ$",
            "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4r",
            "c29tZQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=",
            "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$",
            "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n",
        ] {
            let text = format!("$argon2id$v=19$m=256,t=2,p=1${end}");
            assert_eq!(text.parse::<PasswordHash>(), Err(InvalidHash), "{end}");
        }
    }

    #[test]
    fn a_hash_is_made_anew_when_a_parameter_rose() {
        let kept = hash(&password("a"), [1; 16], &cost(64, 2, 2), &mut Memory::default());
        for (today, needed) in [
            (cost(64, 2, 2), false),
            (cost(32, 1, 1), false),
            (cost(65, 2, 2), true),
            (cost(64, 3, 2), true),
            (cost(64, 2, 3), true),
            (cost(8, 3, 1), true),
        ] {
            assert_eq!(kept.needs_rehash(&today), needed, "{today:?}");
        }
        let older: PasswordHash = kept.as_str().replace("v=19", "v=16").parse().expect("of version 16");
        assert!(older.needs_rehash(&cost(8, 1, 1)));
    }

    #[test]
    fn the_dummy_costs_the_same_and_is_nobodys() {
        let mut memory = Memory::default();
        let dummy = PasswordHash::dummy(&cost(16, 3, 2));
        assert_eq!(dummy.as_str().parse(), Ok(dummy.clone()));
        let real = hash(&password("a"), [1; 16], &cost(16, 3, 2), &mut memory);
        assert_eq!(dummy.cost, real.cost);
        assert_eq!((dummy.salt.len(), dummy.output.len()), (real.salt.len(), real.output.len()));
        assert_eq!((dummy.algorithm, dummy.version), (real.algorithm, real.version));
        assert!(!verify(&password(""), &dummy, &mut memory));
        assert!(!verify(&password("a"), &dummy, &mut memory));
    }

    #[test]
    fn one_memory_serves_every_cost() {
        let mut memory = Memory::default();
        let costs = [cost(64, 1, 1), cost(8, 2, 1), cost(100, 2, 3), cost(64, 1, 1), cost(8, 1, 1)];
        for cost in costs {
            let reused = hash(&password("a"), [1; 16], &cost, &mut memory);
            let fresh = hash(&password("a"), [1; 16], &cost, &mut Memory::default());
            assert_eq!(reused, fresh);
            assert!(memory.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        }
        assert_eq!(memory.size_kib(), 96, "whole segments of three lanes");
        let place = memory.0.as_ptr();
        hash(&password("a"), [1; 16], &cost(96, 1, 1), &mut memory);
        assert_eq!(memory.0.as_ptr(), place, "not allocated anew");
        hash(&password("a"), [1; 16], &cost(65_540, 1, 1), &mut memory);
        assert_eq!(memory.size_kib(), 0, "given back");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut memory = Memory::default();
        let kept = hash(&password("a"), [1; 16], &cost(8, 1, 1), &mut memory);
        assert_eq!(format!("{kept:?} {memory:?}"), "PasswordHash Memory { kib: 8 }");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_reading_panic(
            text in r"\$argon2(id|i|d)?(\$v=\d{1,3})?\$[mtpx=,0-9]{0,40}(\$[A-Za-z0-9+/]{0,70}){0,3}|.{0,200}"
        ) {
            if let Ok(kept) = text.parse::<PasswordHash>() {
                proptest::prop_assert_eq!(kept.as_str(), text);
            }
        }
    }
}
