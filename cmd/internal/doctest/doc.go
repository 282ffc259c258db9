// Package doctest runs what the documentation says. A page's fenced blocks are
// commands (sh, python, js, and go where it is a whole program), or data. They
// are run in their order, in a folder of the page's own. HTML comments, which no
// reader sees, say what the text around a block says to people:
//
//	<!-- setup            commands that a reader has done by now, run here;
//	…                     alone, not before a block
//	-->
//	<!-- output -->       the block is what the commands before it printed; numbers
//	                      of JSON may be others, and … stands for anything
//	<!-- file: NAME -->   the block is a file, which is there for all commands of the page
//	<!-- fails -->        the commands end with an error
//	<!-- not run: WHY --> the commands are not run
package doctest
