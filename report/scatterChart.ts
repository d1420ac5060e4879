import { decimal } from './numbers';
import { AFTER, BEFORE, INK, LINE, MUTED, PAGE, PIXELS, renderSvg, type ChartWidth } from './renderSvg';

export interface ScatterPoint {
  label: string;
  x: number;
  y: number;
}

/** Labelled points with the least squares line through them. @returns an SVG element, the same for the same input */
export function scatterChart(
  points: readonly ScatterPoint[],
  axes: { x: string; y: string },
  width: ChartWidth,
  description: string,
): string {
  const narrow = width === 'narrow';
  const fontSize = narrow ? 11 : 12;
  const height = narrow ? 300 : 420;
  const places = placeLabels(points, { width: PIXELS[width] - 110, height: height - 70 }, fontSize);
  const axis = {
    type: 'value' as const,
    scale: true,
    nameLocation: 'middle' as const,
    nameTextStyle: { color: MUTED, fontSize },
    axisLabel: { color: MUTED, fontSize, formatter: (value: number) => decimal(value, 2).replace(/0$/, '') },
    axisLine: { onZero: false, lineStyle: { color: LINE } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: LINE } },
  };
  return renderSvg(
    {
      grid: { left: 34, right: narrow ? 20 : 32, top: 14, bottom: 24, containLabel: true },
      xAxis: { ...axis, name: axes.x, nameGap: 28 },
      yAxis: { ...axis, name: axes.y, nameGap: narrow ? 40 : 46 },
      series: [
        {
          type: 'line',
          silent: true,
          showSymbol: false,
          lineStyle: { color: BEFORE, width: 1.5, type: 'dashed' },
          data: trend(points),
          z: 1,
        },
        {
          type: 'scatter',
          silent: true,
          symbolSize: narrow ? 9 : 11,
          itemStyle: { color: AFTER, opacity: 1, borderColor: PAGE, borderWidth: 1.5 },
          label: { show: true, distance: 4, color: INK, fontSize, formatter: ({ dataIndex }) => points[dataIndex].label },
          data: points.map(({ x, y }, i) => ({ value: [x, y], label: { position: places[i] } })),
          z: 3,
        },
      ],
    },
    PIXELS[width],
    height,
    description,
  );
}

/** The two ends of the least squares line; nothing where x is constant. */
function trend(points: readonly ScatterPoint[]): [number, number][] {
  const n = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / n;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (n < 3 || spread === 0) return [];
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const ends = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  return ends.map((x) => [x, meanY + slope * (x - meanX)]);
}

type Place = 'top' | 'right' | 'bottom' | 'left';
interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** A side of its point for each label, so that labels cover neither points nor each other where that can be had; point after point. */
export function placeLabels(points: readonly ScatterPoint[], plot: { width: number; height: number }, fontSize: number): Place[] {
  const scale = (values: readonly number[], size: number): ((value: number) => number) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value) => (high === low ? size / 2 : ((value - low) / (high - low)) * size);
  };
  const toX = scale(
    points.map(({ x }) => x),
    plot.width,
  );
  const toY = scale(
    points.map(({ y }) => y),
    plot.height,
  );
  const around = (x: number, y: number, width: number, height: number): Box => ({
    left: x - width / 2,
    right: x + width / 2,
    top: y - height / 2,
    bottom: y + height / 2,
  });
  const taken = points.map(({ x, y }) => around(toX(x), -toY(y), fontSize, fontSize));
  return points.map(({ label, x, y }) => {
    const width = label.length * fontSize * 0.62;
    const boxAt: Record<Place, Box> = {
      top: around(toX(x), -toY(y) - 1.25 * fontSize, width, fontSize),
      right: around(toX(x) + 0.8 * fontSize + width / 2, -toY(y), width, fontSize),
      bottom: around(toX(x), -toY(y) + 1.25 * fontSize, width, fontSize),
      left: around(toX(x) - 0.8 * fontSize - width / 2, -toY(y), width, fontSize),
    };
    const hits = (box: Box): number =>
      taken.filter((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom).length;
    const places = Object.keys(boxAt) as Place[];
    const best = places.reduce((least, place) => (hits(boxAt[place]) < hits(boxAt[least]) ? place : least));
    taken.push(boxAt[best]);
    return best;
  });
}
