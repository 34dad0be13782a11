// What the browser tests ask of JupyterLab's page; added to it before it loads.
const panel = () => window.jupyterapp?.shell?.currentWidget;

window.course = {
    isReady: () => panel()?.context?.isReady && panel().sessionContext.session?.kernel?.status === "idle",

    runAll: seconds => Promise.race([
        window.jupyterapp.commands.execute("notebook:run-all-cells"),
        new Promise((_, reject) => setTimeout(() => reject(new Error(`ran over ${seconds} s`)), 1000 * seconds)),
    ]),

    cells: () => panel().content.model.toJSON().cells,

    showCell: async index => {
        panel().content.activeCellIndex = index;
        await panel().content.scrollToItem(index, "center");
        return panel().content.widgets[index].node;
    },

    // where the middle point of each trace lies on the screen; for a heatmap, the middle of its axes
    middles: figure => figure._fullData.filter(trace => trace.visible === true).map(trace => {
        const box = figure.getBoundingClientRect();
        const place = (name, values) => {
            const axis = figure._fullLayout[name[0] + "axis" + name.slice(1)];
            const inAxis = trace.z ? axis._length / 2 : axis.d2p(values[Math.floor(values.length / 2)]);
            return axis._offset + inAxis;
        };
        return [box.left + place(trace.xaxis, trace.x), box.top + place(trace.yaxis, trace.y)];
    }).filter(place => place.every(Number.isFinite)),  // what only stands in a legend is nowhere

    // where the marks of a figure are drawn
    places: figure => [...figure.querySelectorAll(".scatterlayer path.point")].map(mark => mark.getAttribute("transform")),
};
