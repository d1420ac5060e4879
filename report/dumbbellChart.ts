import type * as echarts from 'echarts';
import { AFTER, BEFORE, INK, LINE, MUTED, PAGE, PIXELS, renderSvg, type ChartWidth } from './renderSvg';

export interface DumbbellRow {
  label: string;
  before: number;
  after: number;
}

/**
 * A line a language from the value before to the one after, in the order given.
 * @param axis title of the values, e.g. `expected maximum toxicity`
 * @returns an SVG element, the same for the same input
 */
export function dumbbellChart(rows: readonly DumbbellRow[], axis: string, width: ChartWidth, description: string): string {
  const narrow = width === 'narrow';
  const axisLabel = { color: MUTED, fontSize: narrow ? 11 : 12 };
  const dots = (key: 'before' | 'after', color: string): echarts.SeriesOption => ({
    type: 'scatter',
    silent: true,
    symbolSize: narrow ? 10 : 12,
    itemStyle: { color, opacity: 1, borderColor: PAGE, borderWidth: 1.5 },
    data: rows.map((row, i) => [row[key], i]),
    z: 3,
  });
  return renderSvg(
    {
      grid: { left: 12, right: narrow ? 14 : 24, top: 8, bottom: 26, containLabel: true },
      xAxis: {
        type: 'value',
        min: 0,
        name: axis,
        nameLocation: 'middle',
        nameGap: 28,
        nameTextStyle: { color: MUTED, fontSize: axisLabel.fontSize },
        axisLabel,
        splitLine: { lineStyle: { color: LINE } },
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: rows.map((row) => row.label),
        axisLabel: { ...axisLabel, color: INK, interval: 0 },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: LINE } },
      },
      series: [
        {
          type: 'custom',
          silent: true,
          data: rows.map((row, i) => [row.before, row.after, i]),
          encode: { x: [0, 1], y: 2 },
          renderItem: (_params, api) => {
            const row = api.value(2);
            const [x1, y1] = api.coord([api.value(0), row]);
            const [x2, y2] = api.coord([api.value(1), row]);
            return { type: 'line', shape: { x1, y1, x2, y2 }, style: { stroke: AFTER, lineWidth: narrow ? 3 : 4, opacity: 0.35 } };
          },
        },
        dots('before', BEFORE),
        dots('after', AFTER),
      ],
    },
    PIXELS[width],
    rows.length * (narrow ? 21 : 25) + 48,
    description,
  );
}
