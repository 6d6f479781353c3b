"""Tests in other languages before and after an edit: what weakens them, and what does not."""

# ruff: noqa: E501 - one case a line reads better than one case in six

from textwrap import dedent

import pytest

from andon.guardrails.weakened import weakened

JS, TS, GO, RUST = "src/calc.test.js", "tests/calc.spec.ts", "calc_test.go", "tests/calc.rs"
JAVA, KOTLIN, RUBY, SPEC, PHP = (
    "src/test/CalcTest.java",
    "src/test/CalcTest.kt",
    "test/calc_test.rb",
    "spec/calc_spec.rb",
    "tests/CalcTest.php",
)
CSHARP, SWIFT, ELIXIR, OTHER = "tests/CalcTests.cs", "Tests/CalcTests.swift", "test/calc_test.exs", "tests/calc.lua"

FILES = {
    JS: """
        const calc = require('./calc');

        describe('calc', () => {
          it('adds', () => {
            const got = calc.add(1, 2);
            expect(got).toEqual(3);
            expect(calc.add(0, 0)).toBe(0);
          });

          it('fails', async () => {
            await expect(calc.fail()).rejects.toThrow('no');
            expect(log).toHaveBeenCalledWith('no');
          });

          it.each([
            [1, 2],
            [3, 4],
          ])('pairs %d', (a, b) => {
            expect(calc.next(a)).toBe(b);
          });
        });
    """,
    TS: """
        import test from 'node:test';
        import assert from 'node:assert/strict';

        test('adds', () => {
          assert.strictEqual(add(1, 2), 3);
          assert.deepEqual(pairs(), [[1, 2]]);
        });

        test("throws", () => {
          assert.throws(() => add('a'), /number/);
        });
    """,
    GO: """
        package calc

        import "testing"

        func TestAdd(t *testing.T) {
        \tif got := Add(1, 2); got != 3 {
        \t\tt.Errorf("got %d", got)
        \t}
        \trequire.NoError(t, Check())
        }

        func TestTable(t *testing.T) {
        \tcases := []struct{ a, b int }{
        \t\t{1, 2},
        \t\t{3, 4},
        \t}
        \tfor _, c := range cases {
        \t\tt.Run("one", func(t *testing.T) {
        \t\t\tassert.Equal(t, c.b, Next(c.a))
        \t\t})
        \t}
        }

        func helper(t *testing.T) { t.Helper() }
    """,
    RUST: """
        use calc::add;

        #[test]
        fn adds() {
            assert_eq!(add(1, 2), 3);
            assert!(is_odd(3));
        }

        #[test]
        #[should_panic(expected = "overflow")]
        fn overflows<'a>() {
            add(i32::MAX, 'x' as i32);
        }
    """,
    JAVA: """
        import org.junit.jupiter.api.Test;

        class CalcTest {
            @BeforeEach
            void setUp() { calc = new Calc(); }

            @Test
            void adds() {
                assertEquals(3, calc.add(1, 2));
                assertThat(calc.all()).containsExactly(1, 2);
            }

            @ParameterizedTest
            @ValueSource(ints = {1, 2})
            void checks(int a) throws Exception {
                assertThrows(IllegalStateException.class, () -> calc.fail(a));
                verify(log).info("x");
            }
        }
    """,
    KOTLIN: "class CalcTest {\n    @Test\n    fun `adds two`() {\n        assertEquals(3, add(1, 2))\n    }\n}\n",
    RUBY: "class CalcTest < Minitest::Test\n  def test_add\n    assert_equal 3, add(1, 2)\n    assert_nil last # none\n  end\n\n  def test_sub\n    assert_raises(ArgumentError) { sub(nil) }\n  end\nend\n",
    SPEC: "describe Calc do\n  it 'adds' do\n    expect(add(1, 2)).to eq(3)\n  end\n\n  it 'fails' do\n    expect { fail! }.to raise_error(ArgumentError)\n  end\nend\n",
    PHP: "<?php\nclass CalcTest extends TestCase {\n    public function testAdd(): void {\n        $this->assertSame(3, add(1, 2));\n    }\n}\n",
    CSHARP: 'class CalcTests {\n    [Fact]\n    public void Adds() {\n        Assert.Equal(3, Calc.Add(1, 2));\n    }\n}\n',
    SWIFT: "class CalcTests: XCTestCase {\n    func testAdd() {\n        XCTAssertEqual(add(1, 2), 3)\n    }\n}\n",
    ELIXIR: 'defmodule CalcTest do\n  test "adds" do\n    assert add(1, 2) == 3\n  end\nend\n',
    OTHER: 'local x = require "calc"\nassert(x.add(1, 2) == 3)\nassert(x.sub(3, 1) == 2)\n',
}  # fmt: skip


def found(path: str, *edits: tuple[str, str]) -> list[tuple[str, str]]:
    before = dedent(FILES[path]).lstrip("\n")
    after = before
    for old, new in edits:
        assert old in after
        after = after.replace(old, new, 1)
    seen = weakened({path: before.encode()}, {path: after.encode()})
    assert all(one.path == path and one.detail.endswith(".") for one in seen)
    return [(one.kind, one.test) for one in seen]


WEAKER = {
    "js assert removed": (JS, "    expect(got).toEqual(3);\n", "", "loosened", "calc > adds"),
    "js assert commented out": (JS, "    expect(got)", "    // expect(got)", "loosened", "calc > adds"),
    "js assert in a block comment": (JS, "expect(got).toEqual(3);", "/* expect(got).toEqual(3); */", "loosened", "calc > adds"),
    "js assert in a string": (JS, "expect(got).toEqual(3);", "log('expect(got).toEqual(3)');", "loosened", "calc > adds"),
    "js toBeTruthy": (JS, "toEqual(3)", "toBeTruthy()", "loosened", "calc > adds"),
    "js toBeDefined": (JS, "toEqual(3)", "toBeDefined()", "loosened", "calc > adds"),
    "js not": (JS, ".toEqual(3)", ".not.toEqual(4)", "loosened", "calc > adds"),
    "js toBeGreaterThan": (JS, "toEqual(3)", "toBeGreaterThan(0)", "loosened", "calc > adds"),
    "js toBeCloseTo": (JS, "toEqual(3)", "toBeCloseTo(3)", "loosened", "calc > adds"),
    "js true is true": (JS, "expect(got).toEqual(3)", "expect(true).toBe(true)", "loosened", "calc > adds"),
    "js itself": (JS, "expect(got).toEqual(3)", "expect(got).toEqual(got)", "loosened", "calc > adds"),
    "js early return": (JS, "    expect(got)", "    return;\n    expect(got)", "loosened", "calc > adds"),
    "js if false": (JS, "expect(got).toEqual(3);", "if (false) { expect(got).toEqual(3); }", "loosened", "calc > adds"),
    "js caught": (JS, "expect(got).toEqual(3);", "try { expect(got).toEqual(3); } catch (e) {}", "loosened", "calc > adds"),
    "js toThrow of anything": (JS, "toThrow('no')", "toThrow()", "loosened", "calc > fails"),
    "js called with to called": (JS, "toHaveBeenCalledWith('no')", "toHaveBeenCalled()", "loosened", "calc > fails"),
    "js skip": (JS, "it('adds'", "it.skip('adds'", "skipped", "calc > adds"),
    "js xit": (JS, "it('adds'", "xit('adds'", "skipped", "calc > adds"),
    "js todo": (JS, "it('adds'", "it.todo('adds'", "skipped", "calc > adds"),
    "js describe.skip": (JS, "describe('calc'", "describe.skip('calc'", "skipped", "calc"),
    "js xdescribe": (JS, "describe('calc'", "xdescribe('calc'", "skipped", "calc"),
    "js only": (JS, "it('adds'", "it.only('adds'", "skipped", "calc > adds"),
    "js fit": (JS, "it('adds'", "fit('adds'", "skipped", "calc > adds"),
    "js this.skip": (JS, "const got", "this.skip();\n    const got", "skipped", "calc > adds"),
    "js each of fewer": (JS, "    [3, 4],\n", "", "loosened", "calc > pairs %d"),
    "node ok": (TS, "assert.strictEqual(add(1, 2), 3)", "assert.ok(add(1, 2))", "loosened", "adds"),
    "node notEqual": (TS, "assert.strictEqual(add(1, 2), 3)", "assert.notStrictEqual(add(1, 2), 4)", "loosened", "adds"),
    "node ok of true": (TS, "assert.strictEqual(add(1, 2), 3)", "assert.ok(true)", "loosened", "adds"),
    "node skip option": (TS, "test('adds', ()", "test('adds', { skip: true }, ()", "skipped", "adds"),
    "node t.skip": (TS, "() => {\n  assert.strict", "(t) => {\n  t.skip();\n  assert.strict", "skipped", "adds"),
    "node throws removed": (TS, "assert.throws(() => add('a'), /number/);", "", "loosened", "throws"),
    "go error removed": (GO, '\t\tt.Errorf("got %d", got)\n', "", "loosened", "TestAdd"),
    "go error to log": (GO, "t.Errorf(", "t.Logf(", "loosened", "TestAdd"),
    "go skip": (GO, "\tif got", '\tt.Skip("later")\n\tif got', "skipped", "TestAdd"),
    "go skip under a condition": (GO, "\tif got", "\tif testing.Short() {\n\t\tt.SkipNow()\n\t}\n\tif got", "skipped", "TestAdd"),
    "go renamed": (GO, "func TestAdd", "func testAdd", "renamed", "TestAdd"),
    "go renamed to Testadd": (GO, "func TestAdd", "func Testadd", "renamed", "TestAdd"),
    "go build tag": (GO, "package calc", "//go:build later\n\npackage calc", "skipped", ""),
    "go rows": (GO, "\t\t{3, 4},\n", "", "loosened", "TestTable"),
    "go NotNil": (GO, "assert.Equal(t, c.b, Next(c.a))", "assert.NotNil(t, Next(c.a))", "loosened", "TestTable > one"),
    "go require dropped": (GO, "require.NoError(t, Check())", "Check()", "loosened", "TestAdd"),
    "go early return": (GO, "\tif got", "\treturn\n\tif got", "loosened", "TestAdd"),
    "rust ignore": (RUST, "#[test]\nfn adds", "#[test]\n#[ignore]\nfn adds", "skipped", "adds"),
    "rust no test": (RUST, "#[test]\nfn adds", "fn adds", "renamed", "adds"),
    "rust assert_ne": (RUST, "assert_eq!(add(1, 2), 3)", "assert_ne!(add(1, 2), 4)", "loosened", "adds"),
    "rust assert of true": (RUST, "assert!(is_odd(3))", "assert!(true)", "loosened", "adds"),
    "rust should_panic": (RUST, '#[should_panic(expected = "overflow")]\n', "", "loosened", "overflows"),
    "java disabled": (JAVA, "@Test\n    void adds", '@Disabled("x")\n    @Test\n    void adds', "skipped", "CalcTest > adds"),
    "java ignore": (JAVA, "@Test\n    void adds", "@Ignore @Test\n    void adds", "skipped", "CalcTest > adds"),
    "java class disabled": (JAVA, "class CalcTest", "@Disabled\nclass CalcTest", "skipped", "CalcTest"),
    "java no test": (JAVA, "    @Test\n    void adds", "    void adds", "renamed", "CalcTest > adds"),
    "java assertNotNull": (JAVA, "assertEquals(3, calc.add(1, 2))", "assertNotNull(calc.add(1, 2))", "loosened", "CalcTest > adds"),
    "java isNotNull": (JAVA, ".containsExactly(1, 2)", ".isNotNull()", "loosened", "CalcTest > adds"),
    "java delta": (JAVA, "assertEquals(3, calc.add(1, 2))", "assertEquals(3, calc.add(1, 2), 5.0)", "loosened", "CalcTest > adds"),
    "java verify removed": (JAVA, '        verify(log).info("x");\n', "", "loosened", "CalcTest > checks"),
    "java assume": (JAVA, "assertEquals(3", "assumeTrue(ready);\n        assertEquals(3", "skipped", "CalcTest > adds"),
    "kotlin removed": (KOTLIN, "    @Test\n    fun `adds two`() {\n        assertEquals(3, add(1, 2))\n    }\n", "", "removed", "CalcTest > adds two"),
    "ruby removed": (RUBY, "  def test_sub\n    assert_raises(ArgumentError) { sub(nil) }\n  end\n", "", "removed", "test_sub"),
    "ruby skip": (RUBY, "    assert_equal", "    skip\n    assert_equal", "skipped", "test_add"),
    "ruby renamed": (RUBY, "def test_add", "def add_test", "renamed", "test_add"),
    "ruby commented out": (RUBY, "    assert_equal", "    # assert_equal", "loosened", "test_add"),
    "ruby loosened": (RUBY, "assert_equal 3, add(1, 2)", "assert add(1, 2)", "loosened", "test_add"),
    "rspec truthy": (SPEC, "to eq(3)", "to be_truthy", "loosened", "adds"),
    "rspec xit": (SPEC, "it 'adds'", "xit 'adds'", "skipped", "adds"),
    "rspec raise anything": (SPEC, "raise_error(ArgumentError)", "raise_error", "loosened", "fails"),
    "php skipped": (PHP, "$this->assertSame", "$this->markTestSkipped();\n        $this->assertSame", "skipped", "CalcTest > testAdd"),
    "php loosened": (PHP, "assertSame(3, add(1, 2))", "assertNotNull(add(1, 2))", "loosened", "CalcTest > testAdd"),
    "c# skipped": (CSHARP, "[Fact]", '[Fact(Skip = "later")]', "skipped", "CalcTests > Adds"),
    "c# loosened": (CSHARP, "Assert.Equal(3, Calc.Add(1, 2))", "Assert.NotNull(Calc.Add(1, 2))", "loosened", "CalcTests > Adds"),
    "swift loosened": (SWIFT, "XCTAssertEqual(add(1, 2), 3)", "XCTAssertNotNil(add(1, 2))", "loosened", "CalcTests > testAdd"),
    "elixir loosened": (ELIXIR, "assert add(1, 2) == 3", "assert add(1, 2)", "loosened", "adds"),
    "elixir tag": (ELIXIR, '  test "adds"', '  @tag :skip\n  test "adds"', "skipped", ""),
    "other language": (OTHER, "assert(x.sub(3, 1) == 2)\n", "", "loosened", ""),
}  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "kind", "test"), WEAKER.values(), ids=WEAKER)
def test_finds_a_test_that_holds_less(path: str, old: str, new: str, kind: str, test: str) -> None:
    assert found(path, (old, new)) == [(kind, test)]


HARMLESS = {
    "js another value": (JS, "toEqual(3)", "toEqual(4)"),
    "js local renamed": (JS, "const got = calc.add(1, 2);\n    expect(got)", "const sum = calc.add(1, 2);\n    expect(sum)"),
    "js assert added": (JS, "    expect(got)", "    expect(got).toBeDefined();\n    expect(got)"),
    "js test added": (JS, "  it('fails'", "  it('subs', () => {\n    expect(1).toBe(calc.sub(2, 1));\n  });\n\n  it('fails'"),
    "js skipped test added": (JS, "  it('fails'", "  it.skip('subs', () => {});\n\n  it('fails'"),
    "js renamed": (JS, "it('adds'", "it('adds numbers'"),
    "js it to test": (JS, "it('adds'", "test('adds'"),
    "js strict": (JS, "toEqual(3)", "toStrictEqual(3)"),
    "js tightened": (JS, "toHaveBeenCalledWith('no')", "toHaveBeenNthCalledWith(1, 'no')"),
    "js layout": (JS, "expect(got).toEqual(3);", "expect(got)\n      .toEqual(\n        3,\n      );"),
    "js semicolon": (JS, "toEqual(3);", "toEqual(3)"),
    "js comment": (JS, "    expect(got)", "    // it('adds', () => expect(1))\n    expect(got)"),
    "js quotes": (JS, "it('adds'", 'it("adds"'),
    "js row added": (JS, "    [3, 4],\n", "    [3, 4],\n    [5, 6],\n"),
    "js row's value": (JS, "    [3, 4],\n", "    [3, 5],\n"),
    "js import dropped": (JS, "const calc = require('./calc');\n", "const calc = load();\n"),
    "js regex with quotes": (JS, "const got", "const odd = /['\"]/;\n    const got"),
    "js url": (JS, "const got", "const url = 'http://x';\n    const got"),
    "js return of a promise": (JS, "expect(calc.add(0, 0)).toBe(0);", "return expect(calc.add(0, 0)).toBe(0);"),
    "js skip of a reader": (JS, "const got", "reader.skip(2);\n    const got"),
    "js regexp test": (JS, "const got", "/a/.test('a');\n    const got"),
    "node equal": (TS, "deepEqual(pairs(), [[1, 2]])", "deepStrictEqual(pairs(), [[1, 2]])"),
    "node import": (TS, "import assert from 'node:assert/strict';", "import { strict as assert } from 'node:assert';"),
    "node async": (TS, "test('adds', () =>", "test('adds', async () =>"),
    "go message": (GO, '"got %d"', '"Add(1, 2) = %d"'),
    "go Fatalf": (GO, "t.Errorf", "t.Fatalf"),
    "go row added": (GO, "\t\t{3, 4},\n", "\t\t{3, 4},\n\t\t{5, 6},\n"),
    "go renamed": (GO, "func TestAdd", "func TestAddition"),
    "go parallel": (GO, "\tif got", "\tt.Parallel()\n\tif got"),
    "go helper gone": (GO, "func helper(t *testing.T) { t.Helper() }\n", ""),
    "go require for assert": (GO, "assert.Equal(t, c.b", "require.Equal(t, c.b"),
    "go helper returns": (GO, "{ t.Helper() }", "{\n\tt.Helper()\n\treturn\n}"),
    "rust message": (RUST, "assert_eq!(add(1, 2), 3)", 'assert_eq!(add(1, 2), 3, "three")'),
    "rust renamed": (RUST, "fn adds", "fn adds_two"),
    "rust attribute": (RUST, "#[test]\nfn adds", "#[allow(dead_code)]\n#[test]\nfn adds"),
    "rust tokio": (RUST, "#[test]\nfn adds", "#[tokio::test]\nasync fn adds"),
    "rust comment": (RUST, "    assert!(is_odd", "    // it's odd\n    assert!(is_odd"),
    "java value": (JAVA, "assertEquals(3", "assertEquals(4"),
    "java static call": (JAVA, "assertEquals(3", "Assertions.assertEquals(3"),
    "java annotation": (JAVA, "@Test\n    void adds", '@DisplayName("it adds")\n    @Test\n    void adds'),
    "java assertj": (JAVA, "assertEquals(3, calc.add(1, 2))", "assertThat(calc.add(1, 2)).isEqualTo(3)"),
    "java modifiers": (JAVA, "void adds()", "public void adds() throws Exception"),
    "java helper added": (JAVA, "    @Test\n", "    private int two() { return 2; }\n\n    @Test\n"),
    "kotlin renamed": (KOTLIN, "`adds two`", "`adds three`"),
    "ruby message": (RUBY, "assert_equal 3, add(1, 2)", "assert_equal 3, add(1, 2), 'three'"),
    "ruby comment": (RUBY, " # none", ""),
    "ruby added": (RUBY, "  def test_sub", "  def test_mul\n    assert_equal 4, mul(2, 2)\n  end\n\n  def test_sub"),
    "rspec renamed": (SPEC, "it 'adds'", "it 'adds numbers'"),
    "rspec context": (SPEC, "it 'adds' do", "it('adds') do"),
    "php value": (PHP, "assertSame(3", "assertSame(4"),
    "c# renamed": (CSHARP, "Adds()", "AddsTwo()"),
    "swift message": (SWIFT, "XCTAssertEqual(add(1, 2), 3)", 'XCTAssertEqual(add(1, 2), 3, "three")'),
    "elixir value": (ELIXIR, "== 3", "== 4"),
    "other language": (OTHER, "== 3", "== 4"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_leaves_an_edit_alone_that_holds_as_much(path: str, old: str, new: str) -> None:
    assert found(path, (old, new)) == []


@pytest.mark.parametrize("path", FILES)
def test_tells_of_a_deleted_file_once(path: str) -> None:
    content = dedent(FILES[path]).encode()
    assert [(one.kind, one.test) for one in weakened({path: content}, {})] == [("removed", "")]
    assert weakened({path: content}, {path: content}) == []
    assert weakened({}, {path: content}) == []


@pytest.mark.parametrize("path", [path for path in FILES if path != OTHER])
def test_follows_tests_into_another_file(path: str) -> None:
    folder, _, name = path.rpartition("/")
    content = dedent(FILES[path]).encode()
    assert weakened({path: content}, {f"{folder}/More{name}".lstrip("/"): content}) == []


@pytest.mark.parametrize("path", ["tests/data.json", "tests/README.md", "tests/out.snap", "tests/Makefile"])
def test_leaves_files_alone_that_hold_no_program(path: str) -> None:
    assert weakened({path: b"assert expect(1)\nit('x')"}, {}) == []


@pytest.mark.parametrize(
    "text",
    [
        "it('x', () => {",
        "it.each([",
        "it.each`",
        "`",
        "'",
        "/*",
        "describe(",
        "\0\0",
        "it('" * 500,
        "(" * 20_000,
        "#[" * 2000,
    ],
)
@pytest.mark.parametrize("path", [JS, GO, RUST, JAVA, RUBY, OTHER])
def test_never_raises_on_broken_text(path: str, text: str) -> None:
    content = dedent(FILES[path])
    assert weakened({path: content.encode()}, {path: text.encode()})
    assert weakened({path: text.encode()}, {path: (text + content).encode()}) is not None
    assert weakened({path: b"\xff\xfe" + content.encode()}, {path: b"\xff"})
