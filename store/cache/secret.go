package cache

import "sightline/store"

// PasswordVariable is where RedisPassword looks, besides the file that the
// variable with _FILE at its end names.
const PasswordVariable = "SIGHTLINE_REDIS_PASSWORD" //nolint:gosec // a name

// RedisPassword reads the password, as store.ReadSecret does. There is no flag
// and no setting for it: these show in process lists and in copies of files.
func RedisPassword(getenv func(string) string) (store.Secret, error) {
	return store.ReadSecret(getenv, PasswordVariable)
}
