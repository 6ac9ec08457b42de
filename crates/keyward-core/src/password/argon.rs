//! Is this the password of an argon2 hash (RFC 9106)?

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use super::{Cost, InvalidHash, Password};

const FORM: &str = "$argon2id$v=19$m=…,t=…,p=…$salt$output";

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) cost: Cost,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl Argon {
    /// Reads a PHC string.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        let malformed = || InvalidHash::Malformed(FORM);
        let phc = phc::PasswordHash::new(text).map_err(|_| malformed())?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| malformed())?;
        // The first strings of argon2 named no version: it was 16.
        let version = Version::try_from(phc.version.unwrap_or(16)).map_err(|_| malformed())?;
        // Each of the three exactly once, in any order, and nothing beside them: a `keyid` would
        // need a secret that isn't here.
        let number = |name: &str| phc.params.get_decimal(name).ok_or_else(malformed);
        if phc.params.iter().count() != 3 {
            return Err(malformed());
        }
        let cost = Cost::new(number("m")?, number("t")?, number("p")?)
            .map_err(|_| InvalidHash::out_of_bounds("argon2", Cost::bounds()))?;
        let salt = phc.salt.ok_or_else(malformed)?.to_vec();
        // A shorter output would let too many passwords in.
        let output = phc.hash.filter(|output| output.len() >= 16).ok_or_else(malformed)?;
        Ok(Self { algorithm, version, cost, salt, output: output.as_bytes().to_vec() })
    }

    pub(super) fn class(&self) -> String {
        let (m, t, p) = (self.cost.memory_kib(), self.cost.iterations(), self.cost.parallelism());
        format!("${}$v={}$m={m},t={t},p={p}", self.algorithm, u32::from(self.version))
    }

    pub(super) fn work(&self) -> u64 {
        u64::from(self.cost.memory_kib()) * u64::from(self.cost.iterations())
    }

    pub(super) fn is_of(&self, password: &Password, memory: &mut Memory) -> bool {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        memory.run((self.algorithm, self.version, &self.cost), password, &self.salt, &mut output).is_ok()
            && verify_slices_are_equal(&output, &self.output).is_ok()
    }
}

/// The memory that argon2 works in. Who hashes keeps one and gives it to every hash: allocated
/// anew each time, it fragments the heap and residence grows a hundredfold.
///
/// It is wiped after each hash.
#[derive(Default)]
pub struct Memory(pub(super) Vec<Block>);

impl Memory {
    /// How many blocks of 1 KiB stay allocated between two hashes. More than that, which an
    /// imported hash may ask for, is given back at once: it is too large to fragment the heap.
    const KEPT: usize = 64 << 10;

    /// How many KiB it holds now.
    pub fn size_kib(&self) -> usize {
        self.0.len()
    }

    pub(super) fn run(
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
