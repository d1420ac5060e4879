import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hubSettings } from '../../../util/hub/hubClient';

test("settings are huggingface_hub's environment variables, with its precedence", () => {
  const home = mkdtempSync(join(tmpdir(), 'hf-home-'));
  expect(hubSettings({ HF_HOME: home })).toEqual({ endpoint: 'https://huggingface.co', offline: false, cacheFolder: join(home, 'hub') });
  expect(hubSettings({ XDG_CACHE_HOME: home, HF_TOKEN: '' }).cacheFolder).toBe(join(home, 'huggingface', 'hub'));
  writeFileSync(join(home, 'token'), 'hf_stored\n');
  expect(hubSettings({ HF_HOME: home }).token).toBe('hf_stored');
  const given = { HF_HOME: home, HF_TOKEN: 'hf_a', HF_HUB_CACHE: '/c', HF_ENDPOINT: 'http://mirror/', HF_HUB_OFFLINE: '1' };
  expect(hubSettings(given)).toEqual({ endpoint: 'http://mirror', token: 'hf_a', offline: true, cacheFolder: '/c' });
  expect(hubSettings({ HF_HOME: home, HF_HUB_OFFLINE: '0' }).offline).toBe(false);
});
