from graphlib import TopologicalSorter

import grimp


def test_no_module_is_imported_in_a_circle():
    """Imports inside functions count: a tie that is only tightened later is a tie."""
    graph = grimp.build_graph("kaleido", exclude_type_checking_imports=True)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    list(TopologicalSorter(imported).static_order())  # CycleError names the circle
