export { type Bundles, bundles } from './bundles.ts';
export { type ContentReader, contentReader } from './content.ts';
export { type ChangeFeed, changeFeed } from './feed.ts';
export { type Change, type Revisions, revisions } from './revisions.ts';
export { syncRoutes } from './routes.ts';
