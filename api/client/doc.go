// Package client calls Sightline's REST API from Go. It needs the standard
// library only, repeats what the server was too busy for, and gives problems as
// typed errors. docs/rest.md says what the fields mean.
package client
