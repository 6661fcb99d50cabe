// Files by Go's own library, unmodified: what it can do is what the grants allow.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

func told(what string, err error) {
	var path *fs.PathError
	if err == nil {
		fmt.Printf("%s: done\n", what)
	} else if errors.As(err, &path) {
		fmt.Printf("%s: %v\n", what, path.Err)
	} else {
		fmt.Printf("%s: %v\n", what, err)
	}
}

func useFiles() error {
	if err := os.MkdirAll("/data/a/b", 0o700); err != nil {
		return err
	}
	if err := os.WriteFile("/data/a/f", []byte("0123456789"), 0o600); err != nil {
		return err
	}
	file, err := os.OpenFile("/data/a/f", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, written := file.WriteAt([]byte("XY"), 4)
	if err := errors.Join(written, file.Truncate(8), file.Sync(), file.Close()); err != nil {
		return err
	}
	file, err = os.OpenFile("/data/a/f", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, written = file.WriteString("end")
	if err := errors.Join(written, file.Close()); err != nil {
		return err
	}
	text, err := os.ReadFile("/data/a/f")
	if err != nil {
		return err
	}
	fmt.Printf("content: %s\n", text)
	if err := os.Rename("/data/a/f", "/data/h"); err != nil {
		return err
	}
	entries, err := os.ReadDir("/data")
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	fmt.Printf("names: %s\n", strings.Join(names, " "))
	status, err := os.Stat("/data/h")
	if err != nil {
		return err
	}
	fmt.Printf("size: %d %v\n", status.Size(), status.Mode().IsRegular())
	return os.RemoveAll("/data/a")
}

func main() {
	told("files", useFiles())
	_, err := os.ReadFile("/other/f")
	told("other", err)
	told("write", os.WriteFile("/read-only/f", []byte("x"), 0o600))
	_, err = os.ReadFile("/data/none")
	told("missing", err)
	_, err = os.ReadFile("/data/h/")
	told("slash", err)
	_, err = os.OpenFile("/data/h", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	told("new", err)
}
