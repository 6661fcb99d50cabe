//! sled for Python, as `airswasm.storage` needs an engine: ordered bytes, atomic batches, snapshots.
//!
//! Every call gives up the interpreter lock while it works.

mod engine;
mod journal;

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use engine::{Engine, Failure, Pair, Range, Snapshot};
use journal::Change;

type Found<'py> = PyResult<Option<Bound<'py, PyBytes>>>;

/// An open folder.
#[pyclass(module = "airswasm.storage_sled._sled", frozen)]
struct Database {
    path: PathBuf,
    engine: Arc<Engine>,
}

#[pymethods]
impl Database {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let engine = py.detach(|| Engine::open(&path)).map_err(|e| translated(py, &path, e))?;
        Ok(Self { path, engine: Arc::new(engine) })
    }

    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, Engine::sequence)
    }

    fn get<'py>(&self, py: Python<'py>, key: &[u8]) -> Found<'py> {
        let value = self.run(py, |engine| engine.get(key))?;
        Ok(value.map(|value| PyBytes::new(py, &value)))
    }

    fn get_many<'py>(
        &self,
        py: Python<'py>,
        keys: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let values = self.run(py, |engine| engine.get_many(&keys))?;
        Ok(values.into_iter().map(|value| Some(PyBytes::new(py, &value?))).collect())
    }

    fn part<'py>(
        &self,
        py: Python<'py>,
        start: Vec<u8>,
        end: Vec<u8>,
        is_reverse: bool,
        most: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let range = Range { start, end, is_reverse, most };
        listed(py, self.run(py, |engine| engine.part(&range))?)
    }

    fn apply(&self, py: Python<'_>, changes: Vec<Change>) -> PyResult<()> {
        self.run(py, |engine| engine.apply(changes))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, Engine::flush)
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, Engine::check)
    }

    #[getter]
    fn has_failed(&self, py: Python<'_>) -> PyResult<bool> {
        self.run(py, Engine::has_failed)
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<DatabaseSnapshot> {
        let snapshot = py.detach(|| self.engine.snapshot());
        let snapshot = snapshot.map_err(|e| translated(py, &self.path, e))?;
        Ok(DatabaseSnapshot { path: self.path.clone(), snapshot })
    }

    fn copy_to(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| self.engine.copy_to(&folder)).map_err(|e| translated(py, &folder, e))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.engine.close());
    }
}

impl Database {
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Engine) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        py.detach(|| work(&self.engine)).map_err(|error| translated(py, &self.path, error))
    }
}

/// The content at one moment.
#[pyclass(module = "airswasm.storage_sled._sled", frozen)]
struct DatabaseSnapshot {
    path: PathBuf,
    snapshot: Snapshot,
}

#[pymethods]
impl DatabaseSnapshot {
    fn get<'py>(&self, py: Python<'py>, key: &[u8]) -> Found<'py> {
        let value = py.detach(|| self.snapshot.get(key));
        let value = value.map_err(|e| translated(py, &self.path, e))?;
        Ok(value.map(|value| PyBytes::new(py, &value)))
    }

    fn part<'py>(
        &self,
        py: Python<'py>,
        start: Vec<u8>,
        end: Vec<u8>,
        is_reverse: bool,
        most: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let range = Range { start, end, is_reverse, most };
        let part = py.detach(|| self.snapshot.part(&range));
        listed(py, part.map_err(|e| translated(py, &self.path, e))?)
    }
}

fn listed(py: Python<'_>, part: Vec<Pair>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for (key, value) in part {
        list.append(PyTuple::new(py, [PyBytes::new(py, &key), PyBytes::new(py, &value)])?)?;
    }
    Ok(list)
}

/// Return the error of `airswasm.storage` for a failure.
fn translated(py: Python<'_>, path: &std::path::Path, failure: Failure) -> PyErr {
    let (name, detail) = match failure {
        Failure::Closed => ("StorageClosed", None),
        Failure::Locked => ("StorageLocked", None),
        Failure::Corrupted(detail) => ("StorageCorrupted", Some(detail)),
        Failure::Unavailable(detail) => ("StorageUnavailable", Some(detail)),
    };
    let made = py.import("airswasm.storage.errors").and_then(|errors| {
        let class = errors.getattr(name)?;
        match detail {
            Some(detail) => class.call1((path, detail)),
            None => class.call1((path,)),
        }
    });
    made.map_or_else(|error| error, PyErr::from_value)
}

#[pymodule]
fn _sled(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Database>()?;
    module.add_class::<DatabaseSnapshot>()
}
