//! A writer of thrift's compact protocol (thrift-compact-protocol.md). A struct is a map
//! from field ids to values, so that a test can replace, add, or remove any field.

use std::collections::BTreeMap;

/// A value of any type that parquet uses.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Byte(u8),
    I32(i32),
    I64(i64),
    Binary(Vec<u8>),
    List(Vec<Value>),
    Struct(Struct),
}

/// A struct, or a union, which is a struct with one field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct(BTreeMap<i16, Value>);

impl Struct {
    pub fn new() -> Self {
        Struct::default()
    }

    /// The same struct with field `id`.
    pub fn with(mut self, id: i16, value: impl Into<Value>) -> Self {
        self.set(id, value);
        self
    }

    pub fn set(&mut self, id: i16, value: impl Into<Value>) {
        self.0.insert(id, value.into());
    }

    pub fn remove(&mut self, id: i16) {
        self.0.remove(&id);
    }

    pub fn get(&self, id: i16) -> Option<&Value> {
        self.0.get(&id)
    }

    /// Field `id`, which must be a struct.
    pub fn child(&mut self, id: i16) -> &mut Struct {
        match self.0.get_mut(&id) {
            Some(Value::Struct(child)) => child,
            other => panic!("field {id} is {other:?}, not a struct"),
        }
    }

    /// The elements of field `id`, which must be a list.
    pub fn list(&mut self, id: i16) -> &mut Vec<Value> {
        match self.0.get_mut(&id) {
            Some(Value::List(list)) => list,
            other => panic!("field {id} is {other:?}, not a list"),
        }
    }

    /// The elements of field `id`, which must be a list of structs.
    pub fn structs(&mut self, id: i16) -> impl Iterator<Item = &mut Struct> {
        self.list(id).iter_mut().map(|value| match value {
            Value::Struct(element) => element,
            other => panic!("{other:?} is not a struct"),
        })
    }

    /// Field `id`, which must be an integer.
    pub fn int(&self, id: i16) -> i64 {
        match self.0.get(&id) {
            Some(Value::I32(n)) => i64::from(*n),
            Some(Value::I64(n)) => *n,
            other => panic!("field {id} is {other:?}, not an integer"),
        }
    }

    /// Adds `more` to field `id`, which must be a 64-bit integer.
    pub fn add(&mut self, id: i16, more: i64) {
        let sum = self.int(id) + more;
        self.set(id, sum);
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut last = 0;
        for (id, value) in &self.0 {
            match u8::try_from(id - last) {
                Ok(delta @ 1..=15) => out.push(delta << 4 | value.field_kind()),
                _ => {
                    out.push(value.field_kind());
                    varint(out, zigzag(i64::from(*id)));
                }
            }
            // The value of a boolean field is its type.
            if !matches!(value, Value::Bool(_)) {
                value.write(out);
            }
            last = *id;
        }
        out.push(0);
    }
}

impl Value {
    fn field_kind(&self) -> u8 {
        match self {
            Value::Bool(true) => 1,
            Value::Bool(false) => 2,
            Value::Byte(_) => 3,
            Value::I32(_) => 5,
            Value::I64(_) => 6,
            Value::Binary(_) => 8,
            Value::List(_) => 9,
            Value::Struct(_) => 12,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Bool(_) => out.push(self.field_kind()),
            Value::Byte(byte) => out.push(*byte),
            Value::I32(n) => varint(out, zigzag(i64::from(*n))),
            Value::I64(n) => varint(out, zigzag(*n)),
            Value::Binary(bytes) => {
                varint(out, bytes.len() as u64);
                out.extend(bytes);
            }
            Value::List(list) => {
                // An empty list has any element type.
                let kind = match list.first() {
                    Some(Value::Bool(_)) => 1,
                    Some(value) => value.field_kind(),
                    None => 12,
                };
                match list.len() {
                    len @ 0..15 => out.push((len as u8) << 4 | kind),
                    len => {
                        out.push(0xf0 | kind);
                        varint(out, len as u64);
                    }
                }
                list.iter().for_each(|value| value.write(out));
            }
            Value::Struct(value) => value.write(out),
        }
    }
}

/// An unsigned integer in groups of seven bits (LEB128).
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Signed as unsigned: 0, -1, 1, -2 become 0, 1, 2, 3.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$variant(value)
            }
        })*
    };
}

from!(bool => Bool, u8 => Byte, i32 => I32, i64 => I64, Vec<u8> => Binary, Struct => Struct);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Binary(text.into())
    }
}

/// A list of values that have the same type.
pub fn list<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Value {
    Value::List(values.into_iter().map(Into::into).collect())
}
