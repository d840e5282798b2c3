//! The resolver on real and hostile files.
