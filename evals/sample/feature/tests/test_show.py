from cookbook.cli import main


def test_it_prints_a_recipe(capsys):
    assert main(["show", "pancakes"]) == 0
    assert capsys.readouterr().out == (
        "pancakes, for 4\n40 g butter\n3 egg\n200 g flour\n400 ml milk\n"
    )


def test_it_counts_for_more_people(capsys):
    assert main(["show", "flat bread", "--for", "3"]) == 0
    assert capsys.readouterr().out == (
        "flat bread, for 3\n1.5 kg flour\n45 ml olive oil\n30 g salt\n900 ml water\n"
    )


def test_it_refuses_an_unknown_recipe(capsys):
    assert main(["show", "toast"]) == 1
    assert capsys.readouterr() == ("", "cookbook: there is no recipe 'toast'\n")


def test_it_refuses_to_cook_for_nobody(capsys):
    assert main(["show", "salad", "--for", "0"]) == 1
    assert capsys.readouterr().err == "cookbook: somebody has to eat it\n"
