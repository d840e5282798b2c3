//! Secrets of many kinds in their real surroundings, for tests.

/// Random letters from a fixed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length)
            .map(|_| letters[self.next() as usize % letters.len()])
            .collect()
    }

    fn alnum(&mut self, length: usize) -> String {
        // At least one of each class, as every real generator's output has.
        format!("a7Q{}", self.of(ALNUM, length - 3))
    }

    fn base64(&mut self, length: usize) -> String {
        self.of(&format!("{ALNUM}+/"), length)
    }
}

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    CommandLine,
    Environment,
    JournalExport,
}

/// A text with secrets in it.
pub(crate) struct Planted {
    pub(crate) kind: &'static str,
    pub(crate) shape: Shape,
    pub(crate) text: Vec<u8>,
    pub(crate) secrets: Vec<String>,
}

fn text(kind: &'static str, text: String, secrets: &[&str]) -> Planted {
    shaped(kind, Shape::Text, text, secrets)
}

fn shaped(kind: &'static str, shape: Shape, text: String, secrets: &[&str]) -> Planted {
    Planted {
        kind,
        shape,
        text: text.into_bytes(),
        secrets: secrets.iter().map(|s| (*s).to_owned()).collect(),
    }
}

/// Tokens that are known by their beginning.
fn tokens(r: &mut Random) -> Vec<(&'static str, String)> {
    let jwt = |r: &mut Random| {
        format!(
            "eyJhbGciOiJSUzI1NiIsImtpZCI6{}.eyJpc3MiOiJrdWJl{}.{}",
            r.alnum(20),
            r.alnum(60),
            r.alnum(86)
        )
    };
    vec![
        ("aws-key-id", format!("AKIA{}", r.of(UPPER, 16))),
        ("aws-temporary", format!("ASIA{}", r.of(UPPER, 16))),
        ("google-api-key", format!("AIza{}", r.alnum(35))),
        ("google-oauth", format!("ya29.{}", r.alnum(60))),
        ("google-client", format!("GOCSPX-{}", r.alnum(28))),
        ("github-classic", format!("ghp_{}", r.alnum(36))),
        ("github-oauth", format!("gho_{}", r.alnum(36))),
        (
            "github-fine",
            format!("github_pat_{}_{}", r.alnum(22), r.alnum(59)),
        ),
        ("gitlab", format!("glpat-{}", r.alnum(20))),
        (
            "slack-bot",
            format!(
                "xoxb-{}-{}-{}",
                r.of("123456789", 12),
                r.of("123456789", 12),
                r.alnum(24)
            ),
        ),
        (
            "slack-user",
            format!("xoxp-{}-{}", r.of("123456789", 12), r.alnum(32)),
        ),
        ("stripe", format!("sk_live_{}", r.alnum(24))),
        ("npm", format!("npm_{}", r.alnum(36))),
        ("pypi", format!("pypi-AgEIcHlwaS5vcmc{}", r.alnum(100))),
        ("docker-hub", format!("dckr_pat_{}", r.alnum(27))),
        ("sendgrid", format!("SG.{}.{}", r.alnum(22), r.alnum(43))),
        ("twilio", format!("SK{}", r.of(HEX, 32))),
        ("huggingface", format!("hf_{}", r.alnum(34))),
        ("openai", format!("sk-{}", r.alnum(48))),
        ("openai-project", format!("sk-proj-{}", r.alnum(80))),
        ("anthropic", format!("sk-ant-api03-{}", r.alnum(90))),
        ("digitalocean", format!("dop_v1_{}", r.of(HEX, 64))),
        ("vault", format!("hvs.{}", r.alnum(90))),
        ("vault-old", format!("s.{}", r.alnum(24))),
        (
            "age",
            format!(
                "AGE-SECRET-KEY-1{}",
                r.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)
            ),
        ),
        ("jwt", jwt(r)),
        ("eks", format!("k8s-aws-v1.{}", r.alnum(200))),
        (
            "tailscale",
            format!("tskey-auth-{}-{}", r.alnum(12), r.alnum(32)),
        ),
        ("grafana", format!("glsa_{}_{}", r.alnum(32), r.of(HEX, 8))),
        ("databricks", format!("dapi{}", r.of(HEX, 32))),
    ]
}

/// Surroundings that tell nothing: the token itself is known.
fn plain_surroundings(kind: &'static str, t: &str) -> Vec<Planted> {
    vec![
        text(
            kind,
            format!("E1121 05:03:06.123456    1234 reflector.go:150] request with {t} failed\n"),
            &[t],
        ),
        text(kind, format!("level=info msg=\"using {t}\" id=4\n"), &[t]),
        text(
            kind,
            format!("{{\"message\":\"got {t}\",\"level\":3}}"),
            &[t],
        ),
        text(kind, format!("data:\n  note: '{t}'\n"), &[t]),
        shaped(
            kind,
            Shape::CommandLine,
            format!("/bin/app\0--verbose\0{t}\0"),
            &[t],
        ),
        shaped(
            kind,
            Shape::JournalExport,
            format!("_PID=1\nMESSAGE=uses {t}.\n\n"),
            &[t],
        ),
    ]
}

/// Values without a form of their own, told by what stands around them.
fn told(r: &mut Random) -> Vec<Planted> {
    let mut s = || format!("pw{}", r.alnum(14));
    let mut all = Vec::new();
    let mut add = |kind, form: &str| {
        let secret = s();
        all.push(text(
            kind,
            form.replace('@', "\u{1}")
                .replace('§', &secret)
                .replace('\u{1}', "@"),
            &[&secret],
        ));
    };
    for form in [
        "I0101 flags.go:64] FLAG: --password=\"§\"\n",
        "password=§\n",
        "DB_PASSWORD=§ next",
        "password: §\n",
        "  \"password\": \"§\",\n",
        "{\"Password\":\"§\"}",
        "{\\\"password\\\":\\\"§\\\"}",
        "passwd = §\n",
        "user=x pass=§ host=y\n",
        "<password>§</password>",
        "config['password'] = '§'\n",
        "login failed, password: §\n",
        "--password §\n",
        "ExecStart=/bin/x --db-password § --port 5\n",
        "spring.datasource.password=§\n",
        "requirepass §\nrequirepass=§\n",
        "MYSQL_PWD=§\n",
        "PGPASSWORD='§' psql\n",
        "&Config{User:x,Password:§,Port:3}",
        "password => \"§\"",
        "sasl.jaas.config=Module required username=\"u\" password=\"§\";\n",
        "storepass=§\n",
        "passphrase: \"§\"\n",
    ] {
        add("password", form);
    }
    for form in [
        "--token=§\n",
        "--token §\n",
        "token: §\n",
        "{\"token\":\"§\"}",
        "access_token=§&x=1",
        "refreshToken: \"§\"\n",
        "vault_token = \"§\"\n",
        "kubeadm join 10.0.0.1:6443 --token § --discovery-token-ca-cert-hash sha256:12\n",
        "auth_token=§",
        "NPM_TOKEN=§\n",
        "//registry.npmjs.org/:_authToken=§\n",
        "{\"identitytoken\":\"§\"}",
        "GET /x?token=§&y=2 HTTP/1.1\n",
    ] {
        add("token", form);
    }
    for form in [
        "client_secret=§\n",
        "clientSecret: §\n",
        "aws_secret_access_key = §\n",
        "AWS_SECRET_ACCESS_KEY=§\n",
        "{\"SecretAccessKey\": \"§\"}",
        "secret_key_base: §\n",
        "app.secret=§\n",
        "webhook-secret: '§'\n",
        "s3:\n  secretKey: §\n",
    ] {
        add("secret", form);
    }
    for form in [
        "api_key=§\n",
        "apikey: §\n",
        "X-Api-Key: §\r\n",
        "{\"apiKey\":\"§\"}",
        "api-key=\"§\"",
        "DD_API_KEY=§\n",
        "--api-key §\n",
    ] {
        add("api-key", form);
    }
    for form in [
        "Authorization: Bearer §\r\n",
        "authorization: Basic §\n",
        "-H 'Authorization: Token §'\n",
        "\"Authorization\":[\"Bearer §\"]",
        "Authorization: §\n",
        "req headers map[Accept:[*/*] Authorization:[Bearer §]]\n",
        "using Bearer § now\n",
        "Proxy-Authorization: Basic §\n",
        "X-Vault-Token: §\n",
        "{\"headers\":{\"Authorization\":\"Bearer §\"}}",
        "PRIVATE-TOKEN: §\n",
    ] {
        add("header", form);
    }
    for form in [
        "Cookie: session=§; x=1\r\n",
        "Set-Cookie: id=§; Path=/\n",
        "{\"Cookie\": \"sid=§\"}",
        "-H \"Cookie: a=§\"\n",
    ] {
        add("cookie", form);
    }
    for form in [
        "postgres://user:§@db:5432/x\n",
        "mongodb+srv://u:§@h/db?retry=1",
        "redis://:§@cache:6379/0",
        "amqp://g:§@mq//",
        "https://u:§@proxy:3128",
        "\"url\": \"https://bob:§@git.example.com/x.git\"",
        "HTTP_PROXY=http://u:§@proxy:80\n",
        "mysql://root:ab/§@db/x",
    ] {
        add("url", form);
    }
    for form in [
        "root:§@tcp(127.0.0.1:3306)/db",
        "dsn=\"u:§@unix(/tmp/s)/x\"",
    ] {
        add("data-source", form);
    }
    for form in [
        "Server=db;User Id=sa;Password=§;Encrypt=true",
        "Host=h;Username=u;Pwd=§",
        "Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey=§=",
    ] {
        add("connection-string", form);
    }
    for form in [
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=§==;EndpointSuffix=core",
        "https://x.blob.core.windows.net/c?sv=2020&sig=§%3D&se=1",
    ] {
        add("azure", form);
    }
    for form in [
        "mysql -u root -p§ db\n",
        "sshpass -p § ssh x\n",
        "redis-cli -h x -a § ping\n",
        "curl -s -u admin:§ https://x\n",
        "curl --user admin:§ x\n",
        "docker login -u x -p § reg\n",
        "sh -c \"mysqldump -p'§' db\"\n",
        "openssl rsa -passin pass:§ -in x\n",
        "ldapsearch -x -w § -b y\n",
        "[\"curl\",\"-u\",\"a:§\"]",
        "mongodump --host x -u y -p §\n",
        "smbclient //x/y -U bob%§\n",
    ] {
        add("client", form);
    }
    for form in [
        "{\"env\":[{\"name\":\"X\",\"value\":\"§\"}]}",
        "{\"env\": [\n {\n \"name\": \"GREETING\",\n \"value\": \"§\"\n }\n]}",
        "{\"env\":[\"A=b\",\"GREETING=§\"]}",
        "{\"envs\":[{\"key\":\"Y\",\"value\":\"§\"}]}",
        "{\"last\":\"{\\\"env\\\":[{\\\"name\\\":\\\"Z\\\",\\\"value\\\":\\\"§\\\"}]}\\n\"}",
        "    env:\n    - name: GREETING\n      value: §\n    - name: B\n",
        "  - name: A\n    value: \"§ x\"\n",
        "[Service]\nEnvironment=\"GREETING=§\" OTHER=x\n",
        "env:\n  - value: §\n    name: LATER\n",
        "{\"env\":[{\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"x\"}},\"name\":\"P\"},{\"name\":\"Q\",\"value\":\"§\"}]}",
    ] {
        add("env", form);
    }
    for form in [
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  greeting: §\n",
        "apiVersion: v1\ndata:\n  greeting: §\nkind: Secret\nmetadata:\n  name: x\n",
        "kind: Secret\nstringData:\n  file: |\n    first line\n    say §\n  b: c\ntype: Opaque\n",
        "{\"kind\":\"Secret\",\"data\":{\"x\":\"§\"}}",
        "{\"data\":{\"x\":\"§\"},\"kind\":\"Secret\"}",
        "{\"stringData\":{\"x\":\"hello §\"}}",
        "{\"a\":\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"data\\\":{\\\"x\\\":\\\"§\\\"},\\\"kind\\\":\\\"Secret\\\"}\"}",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: §\n  kind: Secret\n- apiVersion: v1\n  data:\n    b: visible\n  kind: ConfigMap\nkind: List\n",
        "kind: Secret\ndata: {a: §, b: cd}\n",
    ] {
        add("secret-object", form);
    }
    for form in [
        "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"§\"}}}",
        "{\\\"auths\\\":{\\\"r.io\\\":{\\\"auth\\\":\\\"§\\\"}}}",
    ] {
        add("docker-auth", form);
    }
    for form in [
        "users:\n- name: admin\n  user:\n    client-key-data: §\n    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n",
        "- name: sa\n  user:\n    token: §\n",
    ] {
        add("kubeconfig", form);
    }
    all
}

fn keys(r: &mut Random) -> Vec<Planted> {
    let mut all = Vec::new();
    for name in [
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "DSA PRIVATE KEY",
    ] {
        let lines: Vec<String> = (0..12)
            .map(|n| r.base64(if n == 11 { 36 } else { 64 }))
            .collect();
        let secrets: Vec<&str> = lines.iter().map(String::as_str).collect();
        let pem = |gap: &str| {
            format!(
                "-----BEGIN {name}-----{gap}{}{gap}-----END {name}-----{gap}",
                lines.join(gap)
            )
        };
        all.push(text("pem", pem("\n"), &secrets));
        all.push(text("pem-crlf", pem("\r\n"), &secrets));
        all.push(text(
            "pem-json",
            format!(
                "{{\"type\":\"service_account\",\"key\":\"{}\",\"x\":1}}",
                pem("\\n")
            ),
            &secrets,
        ));
        all.push(text(
            "pem-json-json",
            format!("{{\"a\":\"{{\\\"key\\\":\\\"{}\\\"}}\"}}", pem("\\\\n")),
            &secrets,
        ));
        all.push(text(
            "pem-yaml",
            format!("key: |\n    {}rest: 1\n", pem("\n    ")),
            &secrets,
        ));
        let log = pem("\n2026-11-21T05:03:06.123456789Z stdout F ");
        all.push(text(
            "pem-log",
            format!("2026-11-21T05:03:06.123456789Z stdout F {log}next line of log\n"),
            &secrets,
        ));
        let cut = pem("\n");
        all.push(text(
            "pem-without-end",
            cut[..cut.len() - 60].to_owned(),
            &secrets[..11],
        ));
        all.push(text(
            "pem-without-begin",
            cut[40..].to_owned(),
            &secrets[1..],
        ));
        let encoded = encode(pem("\n").as_bytes());
        all.push(text(
            "pem-base64",
            format!("    client-key-data: {encoded}\n"),
            &[&encoded[20..], &encoded[60..90]],
        ));
        all.push(text(
            "pem-base64-alone",
            format!("loaded {encoded}\n"),
            &[&encoded[60..90]],
        ));
    }
    all
}

fn encode(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, b| bits << 8 | u32::from(*b))
            << (8 * (3 - chunk.len()));
        for n in 0..4 {
            out.push(if n <= chunk.len() {
                char::from(alphabet[(bits >> (18 - 6 * n) & 63) as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn processes(r: &mut Random) -> Vec<Planted> {
    let mut all = Vec::new();
    for (name, form) in [
        ("argv-mysql", "mysql\0-uroot\0-p§\0db\0"),
        ("argv-curl", "curl\0-u\0me:§\0https://x\0"),
        ("argv-redis", "/usr/bin/redis-cli\0-a\0§\0"),
        ("argv-flag", "/app\0--token\0§\0--v=2\0"),
        ("argv-assigned", "/app\0--db-password=§ with, blanks\0-x\0"),
        ("argv-sshpass", "sudo\0sshpass\0-p\0§\0ssh\0h\0"),
        ("argv-shell", "sh\0-c\0mysql -p§ -e 'select 1'\0"),
        (
            "argv-property",
            "java\0-Djavax.net.ssl.keyStorePassword=§\0-jar\0x\0",
        ),
        ("argv-url", "/app\0postgres://u:§@h/d\0"),
        ("argv-secret", "vault\0--client-secret\0§\0"),
        ("argv-header", "curl\0-H\0Authorization: Bearer §\0"),
        ("argv-python", "app\0--api-key=§\0"),
    ] {
        let secret = format!("pw{}", r.alnum(14));
        all.push(shaped(
            name,
            Shape::CommandLine,
            form.replace('§', &secret),
            &[&secret],
        ));
    }
    for form in [
        "A=b\0GREETING=§\0HOME=/root\0",
        "DB=§ with blanks\nand lines\0",
        "tail of an overwritten §\0PATH=/bin\0",
        "JAVA_TOOL_OPTIONS=-Xmx1g -Dpassword=§\0",
        "X=§",
    ] {
        let secret = format!("pw{}", r.alnum(14));
        all.push(shaped(
            "environ",
            Shape::Environment,
            form.replace('§', &secret),
            &[&secret],
        ));
    }
    for form in [
        "_CMDLINE=mysql -p§\n\n",
        "MESSAGE=password=§\n_PID=1\n\n",
        "_CMDLINE=/app --token §\n\n",
    ] {
        let secret = format!("pw{}", r.alnum(14));
        all.push(shaped(
            "journal",
            Shape::JournalExport,
            form.replace('§', &secret),
            &[&secret],
        ));
    }
    all
}

/// Everything.
pub(crate) fn all() -> Vec<Planted> {
    let mut r = Random(42);
    let mut all = Vec::new();
    for _ in 0..2 {
        for (kind, token) in tokens(&mut r) {
            all.extend(plain_surroundings(kind, &token));
        }
        all.extend(told(&mut r));
    }
    all.extend(keys(&mut r));
    all.extend(processes(&mut r));
    all
}
