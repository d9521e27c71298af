// Package binlog reads the binlog of beanstalkd, so that its jobs can be taken
// over. It never writes to one.
//
// A directory holds files binlog.1, binlog.2, … Each starts with an int32, the
// version, and goes on with records, in the byte order of the machine that wrote
// it (little-endian on every machine still in use):
//
//	version 7: int32 length of the tube's name, name, 80 bytes of job, body
//	version 5: int64 length of the tube's name, name, 77 bytes of job, body
//
// The body, which ends in CRLF, is there only when there is a name. A record
// without a name says what has become of a job seen before. Times are wall time
// since 1970 and lengths of time, in nanoseconds in version 7 and in microseconds
// in version 5. Zeros fill a file that is not full. A job of an earlier file that
// is moved on is written a second time, whole, in a later file. There is no
// checksum.
package binlog
