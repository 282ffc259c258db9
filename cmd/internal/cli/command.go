package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sightline/cmd/internal/tracing"
)

// Streams are where a program writes: results to Out, everything for a person
// that is not a result (progress, logs, errors) to Err.
type Streams struct {
	Out io.Writer
	Err io.Writer
}

// Env is what every command gets: settled settings, streams, a logger.
type Env struct {
	Settings
	Streams
	Environ []string
	Log     *slog.Logger
	Tracing *tracing.Tracing // nil unless OTEL_* variables ask for it
	// OnlyReads says that this process changes nothing of the catalogue, so that it
	// need not take turns with those that do.
	OnlyReads bool
}

// Do makes the RunE of a command: it settles the settings and hands them on.
func Do(environ []string, s Streams, do func(ctx context.Context, e Env, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		e, err := Settle(cmd.Flags(), environ, s)
		if err != nil {
			return err
		}
		// Stopping takes as long as what is under way: say that it was heard.
		log := e.Log // which changes below
		defer context.AfterFunc(cmd.Context(), func() { log.Info("stopping; a second Ctrl-C ends the program at once") })()
		if e.Tracing, err = tracing.Open(cmd.Context(), cmd.Root().Name(), environ, e.Log); err != nil {
			return Usage(err)
		}
		e.Log = e.Tracing.Logger(e.Log)
		defer e.endTracing(cmd.Context())
		return do(cmd.Context(), e, args)
	}
}

// endTracing sends what waits. That a receiver is away is no failure of the command.
func (e Env) endTracing(ctx context.Context) {
	if err := e.Tracing.Close(ctx); err != nil {
		e.Log.WarnContext(ctx, "traces", "error", err)
	}
}

// Settle makes the Env of a command whose flags are parsed. The error names all
// that is wrong; the Env then holds what could be read, and a logger that writes
// nothing where its settings are at fault.
func Settle(flags *pflag.FlagSet, environ []string, s Streams) (Env, error) {
	settings, err := Load(flags, environ)
	log, logErr := NewLogger(s.Err, settings)
	if logErr != nil {
		log = slog.New(slog.DiscardHandler)
	}
	return Env{Settings: settings, Streams: s, Environ: environ, Log: log}, Problems(err, settings.Check(), logErr)
}

// Args wraps cobra's check of positional arguments so that a wrong number
// exits with ExitUsage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return Usagef("%w; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// Run executes the command tree of a program.
func Run(ctx context.Context, root *cobra.Command, args []string, s Streams) error {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = BuildInfo().String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetArgs(args)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usagef("%w; see '%s --help'", err, cmd.CommandPath())
	})
	CommonFlags(root.PersistentFlags())
	return root.ExecuteContext(ctx)
}

// Group makes a command that only holds others. A word that is none of them is
// an error, not a page of help and exit code 0.
func Group(c *cobra.Command) *cobra.Command {
	c.Args = Args(cobra.NoArgs)
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return c
}

// PrintJSON writes v as one line.
func PrintJSON(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", data)
	return err
}
