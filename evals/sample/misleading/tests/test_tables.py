from stockroom.tables import Article, Delivery, articles, deliveries


def test_the_tables_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("article,shelf,minimum,pack\nnail,1,2,3\n")
    (tmp_path / "d.csv").write_text("date,article,pieces,state\n2026-01-01,nail,4,late\n")
    assert articles(tmp_path / "a.csv") == [Article("nail", 1, 2, 3)]
    assert deliveries(tmp_path / "d.csv") == [Delivery("nail", 4, "late")]
