//! Answers of the API server: one object, or a list of them.

use super::json::Json;

/// The objects of an answer.
pub fn all(answer: Json<'_>) -> Vec<Json<'_>> {
    if answer.at("items").is_there() {
        answer.at("items").list().collect()
    } else if answer.at("metadata").is_there() && answer.at("kind").text() != Some("Status") {
        vec![answer]
    } else {
        Vec::new()
    }
}
