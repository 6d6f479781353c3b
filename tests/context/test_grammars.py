"""What files in languages with a grammar of their own define."""

import pytest

from andon.context.grammars import Definition, definitions

JAVASCRIPT = """\
export default class Cart extends Base {
  #total = 0;
  static of(rows) {
    return new Cart(rows);
  }
  get total() { return this.#total; }
  async add(row) {
    const inner = () => 1;
    function hidden() {}
    return inner();
  }
  onClick = () => { this.add(); };
}
export const price = (row) => {
  return row.price;
};
export async function* rows(db) { yield 1; }
const LIMIT = 3;
module.exports = { helper() { return 1; } };
describe("cart", () => {
  it("adds", () => { const x = () => 1; });
});
exports.load = function () {};
rows[key] = () => 1;
let count = (total = 3);
"""
TYPESCRIPT = """\
export interface Row { price: number; total(): number }
export type Id = string;
export enum Kind { A, B }
export const enum Flag { On }
declare module "x" { export function far(a: number): void; }
namespace Shop {
  export class Store<T> {
    private items: T[] = [];
    constructor(private name: string) {}
    read(id: Id): T | undefined;
    read(id: Id): T { return this.items[0]; }
    static make = (n: string): Store<string> => new Store(n);
  }
}
export abstract class Base {
  abstract run(): void;
  protected stop(): void {}
}
export const handler: Handler = async (event) => { return 1; };
export default function main(): void {}
export function over(a: string): void;
export function over(a: any) {}
"""
TSX = """\
import React from "react";
type Props = { name: string };
export function Hello({ name }: Props) {
  return <div onClick={() => go()}>{name}</div>;
}
export const List: React.FC<Props> = ({ name }) => (
  <ul><li>{name}</li></ul>
);
export default class Page extends React.Component<Props> {
  render() { return <Hello name="x" />; }
}
const Memo = React.memo(function Inner() { return <p />; });
"""
GO = """\
package store

type Store struct {
	rows []Row
}

type (
	Row  struct{ ID int }
	Reader interface { Read(id int) (Row, error) }
	Alias = Row
)

func New() *Store {
	inner := func() int { return 1 }
	_ = inner
	return &Store{}
}

func (s *Store) Read(id int) (Row, error) {
	type local struct{}
	return s.rows[id], nil
}

func (r Row) String() string { return "" }

func Map[T any](in []T) []T { return in }

const Limit = 3
"""
RUST = """\
pub struct Store<T> { rows: Vec<T> }

pub enum Kind { A, B }

pub trait Read {
    fn read(&self) -> u8;
    fn twice(&self) -> u8 { self.read() * 2 }
}

impl<T> Store<T> {
    pub fn new() -> Self {
        fn hidden() {}
        Store { rows: vec![] }
    }
    const SIZE: usize = 3;
    async fn load(&mut self) {}
}

impl<T> Read for Store<T> {
    fn read(&self) -> u8 { 1 }
}

pub mod inner {
    pub fn deep() {}
    impl super::Kind {
        pub fn name(&self) -> &str { "" }
    }
}

macro_rules! shout { () => {}; }

pub type Id = u32;
pub union Bits { a: u8 }
const LIMIT: u8 = 1;

#[cfg(test)]
mod tests {
    #[test]
    fn it_reads() {}
}
"""
JAVA = """\
package shop;

public class Store<T> implements Reader {
    private int rows;
    public Store(int rows) { this.rows = rows; }
    @Override
    public T read(int id) {
        Runnable r = () -> {};
        class Local { void far() {} }
        return null;
    }
    static class Inner {
        void deep() {}
    }
    enum Kind { A, B; String label() { return ""; } }
}

public record Point(int x, int y) {
    public Point { if (x < 0) throw new IllegalArgumentException(); }
    static Point origin() { return new Point(0, 0); }
}

interface Reader { Object read(int id); default void close() {} }

@interface Marked { String value(); }
"""


def found(path: str, text: str) -> list[Definition]:
    return definitions({path: text})[path]


def test_javascript_gives_classes_with_methods_and_fields_that_hold_functions_and_what_a_module_exports() -> None:
    assert found("a.js", JAVASCRIPT) == [
        ("Cart", 1, 13),
        ("of", 3, 5),
        ("total", 6, 6),
        ("add", 7, 11),
        ("onClick", 12, 12),
        ("price", 14, 16),
        ("rows", 17, 17),
        ("helper", 19, 19),
        ("x", 21, 21),
        ("load", 23, 23),
    ]


def test_typescript_gives_interfaces_types_namespaces_abstract_methods_and_signatures() -> None:
    assert found("a.ts", TYPESCRIPT) == [
        ("Row", 1, 1),
        ("Id", 2, 2),
        ("Kind", 3, 3),
        ("Flag", 4, 4),
        ("far", 5, 5),
        ("Shop", 6, 14),
        ("Store", 7, 13),
        ("constructor", 9, 9),
        ("read", 11, 11),
        ("make", 12, 12),
        ("Base", 15, 18),
        ("run", 16, 16),
        ("stop", 17, 17),
        ("handler", 19, 19),
        ("main", 20, 20),
        ("over", 21, 21),
        ("over", 22, 22),
    ]


def test_tsx_gives_components_whether_functions_arrows_classes_or_what_a_call_makes_of_one() -> None:
    assert found("a.tsx", TSX) == [
        ("Props", 2, 2),
        ("Hello", 3, 5),
        ("List", 6, 8),
        ("Page", 9, 11),
        ("render", 10, 10),
        ("Memo", 12, 12),
    ]


def test_go_gives_methods_of_receivers_grouped_types_and_what_an_interface_asks_for() -> None:
    assert found("a.go", GO) == [
        ("Store", 3, 5),
        ("Row", 8, 8),
        ("Reader", 9, 9),
        ("Read", 9, 9),
        ("Alias", 10, 10),
        ("New", 13, 17),
        ("Read", 19, 22),
        ("String", 24, 24),
        ("Map", 26, 26),
    ]


def test_rust_gives_what_impl_blocks_traits_and_modules_hold() -> None:
    assert found("a.rs", RUST) == [
        ("Store", 1, 1),
        ("Kind", 3, 3),
        ("Read", 5, 8),
        ("read", 6, 6),
        ("twice", 7, 7),
        ("new", 11, 14),
        ("load", 16, 16),
        ("read", 20, 20),
        ("inner", 23, 28),
        ("deep", 24, 24),
        ("name", 26, 26),
        ("shout", 30, 30),
        ("Id", 32, 32),
        ("Bits", 33, 33),
        ("tests", 37, 40),
        ("it_reads", 39, 39),
    ]


def test_java_gives_constructors_records_annotations_and_nested_classes() -> None:
    assert found("A.java", JAVA) == [
        ("Store", 3, 16),
        ("Store", 5, 5),
        ("read", 6, 11),
        ("Inner", 12, 14),
        ("deep", 13, 13),
        ("Kind", 15, 15),
        ("label", 15, 15),
        ("Point", 18, 21),
        ("origin", 20, 20),
        ("Reader", 23, 23),
        ("read", 23, 23),
        ("close", 23, 23),
        ("Marked", 25, 25),
    ]


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.mjs", "export const f = () => {", "f"),
        ("a.ts", "function g() {}\nclass A { f( {\n}\n", "g"),
        ("a.go", "package a\nfunc G() {}\nfunc (\n", "G"),
        ("a.rs", "fn g() {}\nimpl { fn (\n", "g"),
        ("A.java", "class A { void ( } \n class B {}\n", "B"),
    ],
)
def test_of_text_that_does_not_parse_what_can_be_made_out_is_found(path: str, text: str, name: str) -> None:
    assert name in [each for each, _, _ in found(path, text)]
