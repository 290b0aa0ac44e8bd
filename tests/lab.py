"""What a page of JupyterLab is asked, in the browser."""

PATIENCE = 60_000  # milliseconds

# The icon says "idle" before there is a kernel; to run then opens a dialogue that nobody answers.
IDLE = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext, kernel = session?.session?.kernel;
    return !!kernel && session.isReady && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
RUN = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
ENDED = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    const failed = cell => cell.model.outputs.toJSON().some(output => output.output_type === 'error');
    return cells.some(failed) || cells.every(cell => cell.model.executionCount !== null);
}"""
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map(cell => cell.model.outputs.toJSON())"""
