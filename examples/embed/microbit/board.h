/* What startup.c has for a program: the serial line. */
#ifndef BOARD_H
#define BOARD_H

void put_text(const char *text);
void put_number(int number);

#endif
