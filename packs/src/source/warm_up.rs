//! `warm_up` of a component: the requests that come before its snapshot.

use super::{
    Reader, find, join,
    yaml::{Node, Value},
};
use crate::{
    manifest::ValueError,
    warm_up::{METHOD, Request, check_body, check_count, check_field, check_fields, check_method, check_path},
};

impl Reader {
    pub(super) fn warm_up(&mut self, list: &Node, key: &str) -> Option<Vec<Request>> {
        let items = self.list(list, key)?;
        self.passes(list, key, check_count(items.len()))?;
        let read: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(at, item)| self.request(item, &format!("{key}[{at}]")))
            .collect();
        read.into_iter().collect()
    }

    fn request(&mut self, node: &Node, key: &str) -> Option<Request> {
        let map = self.map(node, key, &["path", "method", "headers", "body"])?;
        let path = self.text(node, map, key, "path", check_path);
        let method = match find(map, "method") {
            None => Some(METHOD.to_owned()),
            Some(_) => self.text(node, map, key, "method", check_method),
        };
        let body = match find(map, "body") {
            None => Some(String::new()),
            Some(_) => self.text(node, map, key, "body", check_body),
        };
        let headers = match find(map, "headers") {
            None => Some(Vec::new()),
            Some(fields) => self.fields(fields, &join(key, "headers")),
        };
        Some(Request {
            path: path?,
            method: method?,
            body: body?,
            headers: headers?,
        })
    }

    fn fields(&mut self, node: &Node, key: &str) -> Option<Vec<(String, String)>> {
        let Value::Map(map) = &node.value else {
            self.note(node, key, "a map from names to values is expected here");
            return None;
        };
        self.passes(node, key, check_fields(map.len()))?;
        let mut fields = Vec::with_capacity(map.len());
        for (name, value) in map {
            let (Value::Text(name), Value::Text(text)) = (&name.value, &value.value) else {
                self.note(value, key, "a text is expected here");
                return None;
            };
            self.passes(value, &join(key, name), check_field(name, text))?;
            fields.push((name.clone(), text.clone()));
        }
        Some(fields)
    }

    fn passes(&mut self, node: &Node, key: &str, checked: Result<(), ValueError>) -> Option<()> {
        checked.map_err(|why| self.note(node, key, why.to_string())).ok()
    }
}
