"""Imports between the package's files, those within functions and for types alone among them."""

import grimp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def test_no_files_import_each_other_in_a_circle():
    graph = grimp.build_graph("googlenet", cache_dir=None)
    files = sorted(graph.modules)
    place = {file: number for number, file in enumerate(files)}
    arrows = [(place[file], place[other]) for file in files for other in graph.find_modules_directly_imported_by(file)]
    assert len(arrows) > len(files)
    matrix = csr_array((np.ones(len(arrows)), np.transpose(arrows)), shape=(len(files), len(files)))
    count, circles = connected_components(matrix, directed=True, connection="strong")
    together = [[file for file, its in zip(files, circles, strict=True) if its == one] for one in range(count)]
    assert [found for found in together if len(found) > 1] == []
