// Package config turns flags, environment and a config file into options.
//
// Every command declares its options once, in a Set. Each option can then be
// given in three places; the first that names it wins:
//
//	flag          --data /srv/millrace
//	environment   MILLRACE_DATA=/srv/millrace
//	config file   data = /srv/millrace
//
// A config file has one "name = value" a line, with the names of the flags;
// lines that start with # are comments.
package config
