//! What holds for the redactor as a whole.
