from database_kit import db, postgresql_url, url

__all__ = ["db", "postgresql_url", "url"]
