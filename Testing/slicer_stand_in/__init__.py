"""A stand-in for the Slicer application, as far as the tests of the module need it.

    with SlicerApplication() as app:
        widget = app.load_module(Path("LungCancerDx/LungCancerDx.py"))
        widget.ui.detectButton.click()
        app.wait_until(lambda: not widget.ui.cancelButton.enabled)

What is real: MRML with its logics (slicer-core), `slicer.util`, Qt off screen (PySide6), the module's own form. What is
stood in for, each in a file of its own:

    application     the one class that tests use: start, load, enter, save and open scenes, wait, end
    slicer_app      `slicer.app`, `slicer.modules` and the views, of which nothing is drawn
    scene           the scene with its view nodes, and the subject hierarchy's items that come and go with nodes
    scripted_module the base classes of a module, and its frame
    parameters      the parameter node wrapper and its widgets
    widgets         CTK's and MRML's widgets of the form; node_combo_box: the selector of a CT
    services        messages and questions to the user, packages, PyTorch, Sample Data
    pythonqt        Qt properties as attributes, for the panel and its tests only

Rules at which the real Slicer raises or prints, and which fail a test here: an error that escapes from a slot or an
observer; an attribute that a Qt object does not have (`button.enable = True`); a widget, signal or slot of the form
that is not there; a parameter out of its range or of another type; a Sample Data source without lists of one length;
in 5.10 `slicer.packaging`. Whether the panel keeps to what PythonQt offers (enumerations on the class, no signals
declared in Python) is checked by mypy with the stubs in `typings/`. Known gaps: overloads and argument types that only
one of PySide6 and PythonQt converts.
"""
