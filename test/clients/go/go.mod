// A module of its own, so that the server does not depend on a client.
module github.com/millrace/millrace/test/clients/go

go 1.26

require github.com/beanstalkd/go-beanstalk v0.2.0
