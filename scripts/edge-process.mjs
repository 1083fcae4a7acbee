/** How Node is started for a gateway's agent, as `deploy/bundle/headrace` does (docs/decisions/0116). */
export const EDGE_FLAGS = ['--max-semi-space-size=4', '--preserve-symlinks', '--preserve-symlinks-main']
export const EDGE_ENV = { MALLOC_ARENA_MAX: '1' }
