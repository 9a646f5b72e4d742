export { createLru, type Lru } from '@tributary/platform/lru';
