//! What is known of a key?

use serde_json::Value;

use super::rule::Rule;

/// A section of the configuration.
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is about, line by line.
    pub(crate) about: &'static [&'static str],
    /// Its keys.
    pub(crate) keys: Vec<Key>,
}

/// A key of a section.
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// `section.key`.
    pub(crate) path: String,
    /// The variable that sets it.
    pub(crate) variable: String,
    /// What it is for, line by line.
    pub(crate) doc: &'static [&'static str],
    /// Its default, in TOML.
    pub(crate) default: &'static str,
    /// What it may hold.
    pub(crate) allowed: String,
    /// The same as a JSON Schema (draft 7).
    pub(crate) schema: Value,
    /// Whether it may come from a file of its own, named by the same key with `_file`.
    pub(crate) secret: bool,
}

impl Key {
    pub(super) fn new<T>(
        section: &str,
        name: &'static str,
        doc: &'static [&'static str],
        default: &'static str,
        rule: Rule<T>,
    ) -> Self {
        Self {
            name,
            path: format!("{section}.{name}"),
            variable: format!("KEYWARD_{}__{}", section.to_ascii_uppercase(), name.to_ascii_uppercase()),
            doc,
            default,
            allowed: rule.allowed,
            schema: rule.schema,
            secret: rule.secret,
        }
    }
}

/// Makes the structs of the configuration, the function that reads them and the table of what is
/// known of each key out of one description.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $Type:ty = $default:tt, $rule:expr; )+
        }
    )+) => {
        /// What is in force, by section.
        #[derive(Debug, Clone)]
        pub(crate) struct Config { $(
            $(#[doc = $about])+
            pub(crate) $section: $Section,
        )+ }

        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone)]
                pub(crate) struct $Section { $(
                $(#[doc = $doc])+
                pub(crate) $key: $Type,
            )+ }
        )+

        impl Config {
            /// Reads every key, in the order of the table. `None` only where a default is refused,
            /// which a test excludes.
            pub(super) fn read(reader: &mut Reader) -> Option<Self> {
                Some(Self { $(
                    $section: $Section { $(
                        $key: reader.read(
                            concat!(stringify!($section), ".", stringify!($key)),
                            stringify!($default),
                            $rule,
                        )?,
                    )+ },
                )+ })
            }
        }

        /// What is known of every key, in the order of the default file.
        pub(crate) fn sections() -> Vec<Section> {
            vec![ $( Section {
                name: stringify!($section),
                about: &[$( $about ),+],
                keys: vec![ $( Key::new::<$Type>(
                    stringify!($section),
                    stringify!($key),
                    &[$( $doc ),+],
                    stringify!($default),
                    $rule,
                ), )+ ],
            }, )+ ]
        }
    };
}

pub(super) use sections;
