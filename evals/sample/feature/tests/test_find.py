from cookbook.cli import main


def test_it_names_the_recipes_sorted(capsys):
    assert main(["find", "butter"]) == 0
    assert capsys.readouterr().out == "onion soup\npancakes\n"


def test_it_finds_a_part_of_a_name_in_any_case(capsys):
    assert main(["find", "OIL"]) == 0
    assert capsys.readouterr().out == "flat bread\nsalad\n"


def test_it_says_when_nothing_is_found(capsys):
    assert main(["find", "caviar"]) == 1
    assert capsys.readouterr().err == "cookbook: there is no recipe with 'caviar'\n"
