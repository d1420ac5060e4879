import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineLine } from '../../engine/engine';
import { gpuReason, noGpuReason, startEngine } from '../../engine/startEngine';

const wanted = { device: 'cpu', precision: 'float32' } as const;

test('a named engine on a named device says that it was named', async () => {
  expect(engineLine(await startEngine({ engine: 'torch', ...wanted }))).toMatch(
    /^engine: torch \d\S* on cpu, \d+ threads?, float32 \(--engine torch, --device cpu\)$/,
  );
  expect(engineLine(await startEngine({ engine: 'tfjs', ...wanted }))).toMatch(/^engine: tfjs \S+, backend cpu \(--engine tfjs\)$/);
});

test('auto takes the torch that is there', async () => {
  expect(engineLine(await startEngine({ engine: 'auto', ...wanted }))).toMatch(/^engine: torch \S+ on cpu, .* \(--device cpu\)$/);
});

test('why a GPU is taken or not', () => {
  expect(noGpuReason(false, true)).toBe('no NVIDIA card found');
  expect(noGpuReason(true, false)).toContain('built for CPUs alone');
  expect(noGpuReason(true, true)).toContain('its driver may be too old');
  expect([gpuReason(1), gpuReason(4)]).toEqual(['the NVIDIA card that torch sees', 'the first of 4 NVIDIA cards']);
});

describe('without torch', () => {
  let folder: string;
  const before = { ...process.env };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dpo-start-'));
    // no python3, and a cache that holds nothing
    Object.assign(process.env, { PATH: folder, XDG_CACHE_HOME: join(folder, 'cache') });
    delete process.env.DPO_TORCH;
  });

  afterEach(() => {
    process.env = { ...before };
    rmSync(folder, { recursive: true, force: true });
  });

  test('auto takes wasm and says why', async () => {
    const engine = await startEngine({ engine: 'auto', ...wanted });
    expect(engine.name).toBe('wasm');
    expect(engineLine(engine)).toMatch(/^engine: wasm .* \(no torch found: `npm run build` installs one, DPO_TORCH names one\)$/);
  });

  test('a torch that was passed over is named', async () => {
    process.env.DPO_TORCH = folder;
    const { reason } = await startEngine({ engine: 'auto', ...wanted });
    expect(reason).toContain(`passed over (DPO_TORCH): ${folder} holds no torch package; no torch found`);
  });

  test.each([{ device: 'cuda' }, { precision: 'bf16' as const }])('what wasm cannot do is an error about torch: %j', async (more) => {
    await expect(startEngine({ engine: 'auto', ...wanted, ...more })).rejects.toThrow('no torch to run on');
  });
});
