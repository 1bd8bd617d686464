/** One version for all of VoiceOI; a test keeps it equal to package.json's. */
export const VERSION = '0.1.0';
