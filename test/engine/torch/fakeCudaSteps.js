// Run by graphsAddon.test.ts with fakeCuda.c preloaded: recordings on torch's own allocators and streams. Prints one JSON object.
const { join } = require('node:path');
const tf = require('@tensorflow/tfjs-core');
const load = (file) => require(join(__dirname, '../../../dist', file));

/** What an error says. */
function attempt(f) {
  try {
    f();
    return 'done';
  } catch (error) {
    return error.message.split('\n')[0];
  }
}

const readNumber = load('engine/torch/binding.js').aten('_local_scalar_dense');

/** Recordings of one product, good ones and ones that break off, in all orders. */
function products(engine, recorder) {
  const weight = engine.parameter(new Float32Array(64 * 64).fill(0.1), [64, 64], true);
  const x = tf.keep(tf.ones([16, 64]));
  const work = () => engine.valueAndGrads(() => ({ loss: tf.sum(tf.tanh(tf.matMul(x, weight))) }), [weight]);
  const recording = (f = work) => {
    tf.tidy(() => void recorder.observe(work));
    return recorder.record(f);
  };
  // waits for the device in the middle
  const reading = () => {
    readNumber(tf.backend().slotOf(tf.sum(weight)));
    return work();
  };
  const first = recording();
  const beside = attempt(() => recording(reading));
  const second = recording();
  [first, second, first].forEach(({ launch }) => launch());
  [first, second].forEach((recorded) => recorded.dispose());
  const alone = attempt(() => recording(reading));
  const afterwards = attempt(() => recording().dispose());
  return { beside, alone, afterwards };
}

/** A whole training step of a model. */
async function step(folder, recorder) {
  const { pairLogProbs } = load('datasets/pairLogProbs.js');
  const { sigmoid } = load('losses/sigmoid.js');
  const { loadModel } = load('models/loadModel.js');
  const { resolveRunConfig } = load('trainer/runConfig.js');
  const { recordableStep, stepBatch } = load('trainer/stepInputs.js');
  const model = await loadModel(join(__dirname, '../../goldens/models', folder), { trainable: true });
  const ids = (length) => Int32Array.from({ length }, (_, i) => i);
  const pairs = [{ prompt: ids(9), chosen: ids(7), rejected: ids(5) }];
  const config = await resolveRunConfig({ model: 'x', train: 'x', output: 'x' });
  const { upload, compute } = recordableStep({ config, model, reference: await pairLogProbs(model, pairs, 1), loss: sigmoid });
  return tf.tidy(() => {
    const inputs = upload(stepBatch(pairs, [0]));
    return attempt(() => {
      recorder.observe(() => compute(inputs));
      const recorded = recorder.record(() => compute(inputs));
      recorded.launch();
      recorded.dispose();
    });
  });
}

async function main() {
  const engine = await load('engine/startEngine.js').startEngine({ engine: 'torch', device: 'cuda', precision: process.argv[2] });
  const recorder = engine.graphRecorder();
  if (typeof recorder === 'string') throw new Error(recorder);
  const found = products(engine, recorder);
  for (const folder of process.argv.slice(3)) found[folder] = await step(folder, recorder);
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
