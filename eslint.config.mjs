import tseslint from 'typescript-eslint';

const layers = ['bin', 'report', 'trainer', 'eval', 'interpret', 'datasets', 'models', 'losses', 'engine', 'util'];
const mayImport = {
  util: [],
  engine: ['util'],
  losses: ['engine', 'util'],
  models: ['engine', 'util'],
  datasets: ['models', 'engine', 'util'],
  trainer: ['datasets', 'models', 'losses', 'engine', 'util'],
  eval: ['datasets', 'models', 'losses', 'engine', 'util'],
  interpret: ['datasets', 'models', 'losses', 'engine', 'util'],
  report: ['trainer', 'eval', 'interpret', 'datasets', 'models', 'losses', 'engine', 'util'],
};

/** Imports point down: one block a layer forbids the layers above it. */
const layerRules = Object.entries(mayImport).map(([layer, allowed]) => ({
  files: [`${layer}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: layers
              .filter((other) => other !== layer && !allowed.includes(other))
              .flatMap((other) => [`../${other}/*`, `../../${other}/*`]),
            message: `${layer} may import only from ${allowed.join(', ') || 'nothing of the project'}`,
          },
        ],
      },
    ],
    'no-console': 'error',
  },
}));

export default tseslint.config(
  { ignores: ['dist', 'build', 'node_modules', 'runs', 'jest.config.js'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'randomness is a passed value: util/random' }],
      '@typescript-eslint/no-require-imports': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  ...layerRules,
);
