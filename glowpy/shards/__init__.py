"""The storage and transfer of rows."""
