//! Why something is not the cache's business: closed lists of codes, each counted by its name in `vcache stats`.

/// Makes the enum `Code` of such a list from its rows: variant, name, and one line for people. The README's table is generated from `Code::ALL`.
#[macro_export]
macro_rules! codes {
    ($(#[$doc:meta])* $($variant:ident, $name:literal, $help:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) enum Code { $(#[doc = $help] $variant,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub(crate) const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name in logs and statistics.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// One line for people.
            pub(crate) fn help(self) -> &'static str {
                match self { $(Code::$variant => $help,)* }
            }
        }
    };
}
