package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/daemon"
)

// certificate makes a certificate for 127.0.0.1 that signs itself, and returns the
// files of it and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", secret)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Over TLS, with and without a certificate that the server asks for.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	stranger, strangersKey := certificate(t)
	tests := []struct {
		name           string
		server, client []string
		want           string // part of stderr; "" for success
	}{
		{"trusted", nil, []string{"--tls-ca", cert}, ""},
		{"not trusted", nil, []string{"--tls-ca", stranger}, "certificate"},
		{"plain", nil, nil, "the connection was lost"},
		{"client certificate", []string{"--tls-client-ca", cert}, []string{"--tls-ca", cert, "--tls-cert", cert, "--tls-key", key}, ""},
		{"no client certificate", []string{"--tls-client-ca", cert}, []string{"--tls-ca", cert}, "the connection was lost"},
		{"strange client certificate", []string{"--tls-client-ca", cert}, []string{"--tls-ca", cert, "--tls-cert", stranger, "--tls-key", strangersKey}, "the connection was lost"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := daemon.Serve(t, "none", append([]string{"--tls-cert", cert, "--tls-key", key}, test.server...)...)
			got := runIn(append(on(s, "put", test.client...), "x")...)
			if ok := got.exit == exitOK; ok != (test.want == "") || !strings.Contains(got.stderr, test.want) {
				t.Errorf("put: %+v, want %q", got, test.want)
			}
		})
	}
}
