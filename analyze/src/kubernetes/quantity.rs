//! Quantities of resources as Kubernetes writes them (`k8s.io/apimachinery`, `resource.Quantity`):
//! `250m`, `64Mi`, `1.5`, `2e3`, `100k`.

/// The value of a quantity; nothing where it is none.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        // An exponent: `2e3`, `2E3`.
        _ => return text.parse().ok().filter(|value: &f64| value.is_finite()),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// A quantity of bytes.
pub fn bytes(text: &str) -> Option<i64> {
    parse(text).map(|value| value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_binary_and_exponents() {
        assert_eq!(parse("250m"), Some(0.25));
        assert_eq!(bytes("64Mi"), Some(64 << 20));
        assert_eq!(bytes("6067372Ki"), Some(6_067_372 * 1024));
        assert_eq!(bytes("1e9"), Some(1_000_000_000));
        assert_eq!(bytes("128974848"), Some(128_974_848));
        assert_eq!(parse("1.5"), Some(1.5));
        for nonsense in ["", "Mi", "1Xi", "inf", "--1"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
