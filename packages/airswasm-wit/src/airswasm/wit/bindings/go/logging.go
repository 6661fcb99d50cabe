package airswasm

import "fmt"

//go:wasmimport airswasm:component/logging@0.1.0 log
func hostLog(level uint32, message string)

const (
	levelTrace = iota
	levelDebug
	levelInfo
	levelWarn
	levelError
)

// Trace writes a line for following one call, formatted as fmt.Sprintf does.
func Trace(format string, values ...any) { hostLog(levelTrace, fmt.Sprintf(format, values...)) }

// Debug writes a line for developers.
func Debug(format string, values ...any) { hostLog(levelDebug, fmt.Sprintf(format, values...)) }

// Info writes a line for operators.
func Info(format string, values ...any) { hostLog(levelInfo, fmt.Sprintf(format, values...)) }

// Warn writes that something is wrong, and the component goes on.
func Warn(format string, values ...any) { hostLog(levelWarn, fmt.Sprintf(format, values...)) }

// Failure writes that something failed, at the level error.
func Failure(format string, values ...any) { hostLog(levelError, fmt.Sprintf(format, values...)) }
