package concord_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pureList names the pure packages, for these tests and for .ci/run.
const pureList = "testdata/pure-packages.txt"

// source is one Go file of the tree. Files of every operating system and of
// nested modules are read: rules do not end at a build tag.
type source struct {
	path, dir string // from the root, with slashes; the root's dir is "."
	room      string // the first folder, "" at the root
	test      bool   // a _test.go file
	external  bool   // of a package x_test, which may import what stands above x
	pure      bool   // in a package that pureList names
	imports   map[string]string
	local     map[string]string // import path, without the module's, by local name
	file      *ast.File
}

// scan parses every Go file of fsys, apart from testdata and hidden folders.
func scan(t *testing.T, fsys fs.FS) []source {
	t.Helper()
	module := modulePath(t, fsys)
	isPure := purePattern(t, fsys)
	var sources []source
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := path.Base(name)
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{path: name, dir: path.Dir(name), file: file}
		if s.dir != "." {
			s.room, _, _ = strings.Cut(s.dir, "/")
		}
		s.test = strings.HasSuffix(name, "_test.go")
		s.external = s.test && strings.HasSuffix(file.Name.Name, "_test")
		s.pure = isPure(s.dir)
		s.imports, s.local = importsOf(file, module)
		sources = append(sources, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// importsOf maps the local names of a file's imports to their paths, and those
// of this module to their folders ("." for the root).
func importsOf(file *ast.File, module string) (imports, local map[string]string) {
	imports, local = map[string]string{}, map[string]string{}
	for i, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if rest := strings.TrimLeft(name, "v0123456789"); rest == "" && strings.Contains(p, "/") {
			name = path.Base(path.Dir(p))
		}
		switch {
		case spec.Name != nil && spec.Name.Name == "_":
			name = "_" + strconv.Itoa(i)
		case spec.Name != nil:
			name = spec.Name.Name
		}
		imports[name] = p
		if p == module {
			local[name] = "."
		} else if folder, ok := strings.CutPrefix(p, module+"/"); ok {
			local[name] = folder
		}
	}
	return imports, local
}

func modulePath(t *testing.T, fsys fs.FS) string {
	t.Helper()
	text, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	t.Fatal("go.mod names no module")
	return ""
}

// purePattern reads pureList, whose head explains its form.
func purePattern(t *testing.T, fsys fs.FS) func(dir string) bool {
	t.Helper()
	text, err := fs.ReadFile(fsys, pureList)
	if err != nil {
		t.Fatal(err)
	}
	var with, without []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if pattern, ok := strings.CutPrefix(line, "!"); ok {
			without = append(without, pattern)
		} else {
			with = append(with, line)
		}
	}
	in, out := paths(with...), paths(without...)
	return func(dir string) bool { return in(dir) && !out(dir) }
}

// check holds every rule against a tree and returns what breaks them, as
// "file: rule: what, and why".
func check(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	faults := checkFolders(t, fsys)
	sources := scan(t, fsys)
	isPure := purePattern(t, fsys)
	for _, s := range sources {
		report := func(rule, format string, args ...any) {
			faults = append(faults, s.path+": "+rule+": "+fmt.Sprintf(format, args...))
		}
		checkNames(s, report)
		checkImports(s, isPure, report)
		checkUses(s, report)
		checkSignatures(s, report)
	}
	slices.Sort(faults)
	return faults
}

type reporter func(rule, format string, args ...any)

// checkFolders reports the first Go file, or else the folder itself, of every
// top-level folder that is not on the list.
func checkFolders(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, e := range entries {
		_, known := folders[e.Name()]
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || known || slices.Contains(rooms, e.Name()) {
			continue
		}
		at := e.Name()
		_ = fs.WalkDir(fsys, at, func(name string, d fs.DirEntry, err error) error {
			if err == nil && path.Ext(name) == ".go" {
				at = name
				return fs.SkipAll
			}
			return err
		})
		faults = append(faults, at+": folder: "+e.Name()+" is not a room; put the package into one of "+strings.Join(rooms, ", "))
	}
	return faults
}

func checkNames(s source, report reporter) {
	vague := func(name string) bool {
		return slices.Contains(forbiddenNames, name) || strings.HasSuffix(name, "util") || strings.HasSuffix(name, "utils")
	}
	name := strings.TrimSuffix(s.file.Name.Name, "_test")
	if vague(name) || vague(path.Base(s.dir)) {
		report("name", "package %s in %s says nothing about what it holds; name the concept it serves", name, s.dir)
	}
}

func checkImports(s source, isPure func(string) bool, report reporter) {
	for _, b := range bans {
		for _, p := range s.imports {
			if b.in(s) && b.path(p) {
				report(b.name, "imports %s, but %s", p, b.reason)
			}
		}
	}
	for name, p := range s.imports {
		if name == "." {
			report("dot import", "imports the names of %s as its own, so that no reader and no rule can tell them apart", p)
		}
	}
	if s.external {
		return
	}
	for _, folder := range s.local {
		if !below(s, folder) {
			report("direction", "imports %s; a package imports only what stands below it: %s", folder, strings.Join(rooms, " < "))
		}
		if pure(s) && !isPure(folder) {
			report("pure imports pure", "imports %s, which %s does not name as pure", folder, pureList)
		}
	}
}

// below reports whether a file may import a folder of this module.
func below(s source, folder string) bool {
	if s.room == "" || folder == "." {
		return false // the root is a page of documentation, beside the rooms
	}
	room, _, _ := strings.Cut(folder, "/")
	to := slices.Index(rooms, room)
	if s.room == "examples" {
		return to >= 0
	}
	return to >= 0 && to <= slices.Index(rooms, s.room)
}

func checkUses(s source, report reporter) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if all(pure, not(within("proptest")))(s) {
				report("goroutine", "starts one, but state machines and pure functions run in their caller's")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, u := range uses {
				if p, ok := s.imports[x.Name]; ok && u.in(s) && u.path(p) && u.fault(n.Sel.Name) {
					report(u.name, "uses %s.%s, but %s", p, n.Sel.Name, u.reason)
				}
			}
		}
		return true
	})
}

// checkSignatures reports gopter in what a package exports: functions, exported
// members of types, and variables by their type or their first value.
func checkSignatures(s source, report reporter) {
	fromGopter := paths("github.com/leanovate/gopter/...")
	var find func(owner string, n ast.Node)
	exported := func(owner string, members *ast.FieldList) {
		for _, m := range members.List {
			if len(m.Names) == 0 || slices.ContainsFunc(m.Names, (*ast.Ident).IsExported) {
				find(owner, m.Type)
			}
		}
	}
	find = func(owner string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructType:
				exported(owner, n.Fields)
				return false
			case *ast.InterfaceType:
				exported(owner, n.Methods)
				return false
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && fromGopter(s.imports[x.Name]) {
					report("gopter in a signature", "%s shows %s.%s; wrap it, with a fixed and printed seed", owner, x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	if s.test {
		return
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() {
				for _, list := range []*ast.FieldList{d.Type.TypeParams, d.Type.Params, d.Type.Results} {
					for _, field := range fieldsOf(list) {
						find(d.Name.Name, field.Type)
					}
				}
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() {
						find(spec.Name.Name, spec.Type)
					}
				case *ast.ValueSpec:
					if slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) {
						find(spec.Names[0].Name, spec)
					}
				}
			}
		}
	}
}

func fieldsOf(list *ast.FieldList) []*ast.Field {
	if list == nil {
		return nil
	}
	return list.List
}

// paths matches import paths or folders; "x/..." matches x and all below it.
func paths(patterns ...string) func(string) bool {
	return func(p string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			prefix, tree := strings.CutSuffix(pattern, "/...")
			return p == prefix || tree && strings.HasPrefix(p, prefix+"/")
		})
	}
}

func names(list ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(list, name) }
}

func code(s source) bool { return !s.test }

func pure(s source) bool { return s.pure && !s.test }

func within(roomNames ...string) func(source) bool {
	return func(s source) bool { return slices.Contains(roomNames, s.room) }
}

func not(f func(source) bool) func(source) bool {
	return func(s source) bool { return !f(s) }
}

func all(fs ...func(source) bool) func(source) bool {
	return func(s source) bool {
		return !slices.ContainsFunc(fs, func(f func(source) bool) bool { return !f(s) })
	}
}
