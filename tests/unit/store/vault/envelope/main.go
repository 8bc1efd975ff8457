// Opens and makes sealed values as docs/vault.md describes them, with Go's own AES-GCM.
// Reads lines of JSON; for each one with a sealed text it tells the value, for each with a value the sealed text.
package main

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

type question struct {
	Key, Value, Sealed                   string
	UserID, ConnectionID, Broker, Field string
	Version                              int64
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		key, err := hex.DecodeString(asked.Key)
		must(err)
		if asked.Sealed != "" {
			fmt.Println(open(key, asked))
		} else {
			fmt.Println(seal(key, asked))
		}
	}
}

func open(key []byte, asked question) string {
	parts := strings.Split(asked.Sealed, ".")
	if len(parts) != 4 || parts[0] != "v2" || parts[1] != keyID(key) {
		panic("another format or key")
	}
	dataKey := decrypt(key, parts[2], bound("data key", asked, keyID(key)))
	return string(decrypt(dataKey, parts[3], bound("value", asked, "")))
}

func seal(key []byte, asked question) string {
	dataKey := random(32)
	wrapped := encrypt(key, dataKey, bound("data key", asked, keyID(key)))
	return strings.Join([]string{"v2", keyID(key), wrapped,
		encrypt(dataKey, []byte(asked.Value), bound("value", asked, ""))}, ".")
}

func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("brokergw credentials key id\x1f"), key...))
	return hex.EncodeToString(sum[:])[:16]
}

func bound(kind string, asked question, keyID string) []byte {
	var joined []byte
	for _, part := range []string{"brokergw v2 " + kind, keyID, asked.UserID, asked.ConnectionID, asked.Broker,
		asked.Field, strconv.FormatInt(asked.Version, 10)} {
		joined = binary.BigEndian.AppendUint32(joined, uint32(len(part)))
		joined = append(joined, part...)
	}
	return joined
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	must(err)
	made, err := cipher.NewGCM(block)
	must(err)
	return made
}

func decrypt(key []byte, text string, extra []byte) []byte {
	raw, err := base64.URLEncoding.DecodeString(text)
	must(err)
	value, err := gcm(key).Open(nil, raw[:12], raw[12:], extra)
	must(err)
	return value
}

func encrypt(key, value, extra []byte) string {
	nonce := random(12)
	return base64.URLEncoding.EncodeToString(gcm(key).Seal(nonce, nonce, value, extra))
}

func random(length int) []byte {
	made := make([]byte, length)
	_, err := rand.Read(made)
	must(err)
	return made
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
