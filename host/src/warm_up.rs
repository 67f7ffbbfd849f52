//! What a worker is asked before anybody else asks it: a few requests, after which its memory is taken as the beginning of every instance.

/// One request of a warm-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUpRequest {
    /// The method.
    pub method: String,
    /// The path with its query; begins with `/`.
    pub path: String,
    /// Header fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// The requests of a warm-up, in order. Without any, a worker is not snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUp(pub Vec<WarmUpRequest>);

impl Default for WarmUp {
    /// `GET /`, twice: the first lets the worker set itself up and its heap grow, the second takes the way of every later request.
    fn default() -> Self {
        let request = WarmUpRequest {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: String::new(),
        };
        Self(vec![request.clone(), request])
    }
}

impl WarmUp {
    /// None: the worker runs as it is.
    pub fn none() -> Self {
        Self(Vec::new())
    }
}
