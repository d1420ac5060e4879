import * as echarts from 'echarts';

/** Sentinel colours: echarts cannot draw with CSS variables, so they are put in afterwards, and one chart serves light and dark. */
const COLORS = {
  '#010101': 'var(--ink)',
  '#020202': 'var(--muted)',
  '#030303': 'var(--line)',
  '#040404': 'var(--before)',
  '#050505': 'var(--after)',
  '#060606': 'var(--page)',
} as const;
export const [INK, MUTED, LINE, BEFORE, AFTER, PAGE] = Object.keys(COLORS);

/** Wide for desks, narrow for phones: the page shows the one that fits. */
export type ChartWidth = 'wide' | 'narrow';
export const PIXELS: Readonly<Record<ChartWidth, number>> = { wide: 880, narrow: 350 };

/**
 * Draws a chart without a browser.
 * @param width, height in pixels of its coordinates; the page scales it
 * @param description what it shows, for those who cannot see it
 * @returns an SVG element, the same for the same input
 */
export function renderSvg(option: echarts.EChartsOption, width: number, height: number, description: string): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily: 'inherit' },
      ...option,
    });
    return tidy(chart.renderToSVGString(), width, height, description);
  } finally {
    chart.dispose();
  }
}

/**
 * Makes the SVG the same at each rendering and fit for any page: echarts numbers its charts and classes through the process's life, and styles
 * them for a pointer that a static picture has no use for. Clip paths go too: their ids would clash between charts, and nothing leaves its grid.
 */
function tidy(svg: string, width: number, height: number, description: string): string {
  let clean = svg
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/<defs[\s\S]*?<\/defs>/g, '')
    .replace(/ (class|ecmeta_\w+|pointer-events|clip-path)="[^"]*"/g, '')
    .replace(/#(0[1-6])\1\1/g, (color) => COLORS[color as keyof typeof COLORS]);
  const label = description.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
  clean = clean.replace(
    /^<svg[^>]*>/,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">`,
  );
  return clean.replace(/\n\s*/g, '\n').trim();
}
