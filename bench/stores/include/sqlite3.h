// sqlite-vec asks for sqlite3.h. This is the one of the SQLite that go-sqlite3
// brings, not one of the system, which may be of another version.
#include "sqlite3-binding.h"
