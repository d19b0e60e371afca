;;; The whole story in Eglot by code actions and documents: no dialog ever comes. -*- lexical-binding: t -*-

(load (expand-file-name "emacs_eglot" (file-name-directory load-file-name)) nil t)
(setq make-backup-files t)
(fset 'completing-read #'lab-no-dialog)
(fset 'y-or-n-p #'lab-no-dialog)

(defun lab-on-line (n title)
  "Take TITLE from the menu on line N of the file."
  (with-current-buffer (get-file-buffer "list.txt")
    (goto-char (point-min))
    (forward-line (1- n))
    (lab-choose title)))

(lab-start)

;; What people have in their `before-save-hook' starts nothing.
(add-hook 'before-save-hook
          (lambda ()
            (dolist (kind lab-kinds)
              (ignore-errors (eglot-code-actions (point-min) (point-max) kind t))))
          nil t)
(insert "typed\n")
(save-buffer)
(delete-region (point-min) (progn (goto-char (point-min)) (forward-line 1) (point)))
(save-buffer)

;; Ask, take one change, refuse the other with a reason.
(lab-on-line 20 "Ask agent...")
(lab-tick (lab-document "ask-") "send" "Mark two lines.")
(lab-wait "two hunks" (lambda () (flymake-start) (= (length (lab-hunks)) 2)))
(lab-on-line 15 "Reject with a reason...")
(lab-tick (lab-document "reason-") "send" "fifteen is fine")
(lab-wait "one hunk" (lambda () (flymake-start) (= (length (lab-hunks)) 1)))
(lab-on-line 3 "Accept change")
(lab-wait "the accepted text" (lambda () (equal (lab-line 3) "line 3, first")))
(save-buffer)

;; The commit is decided by a box in a document that shows all of it.
(let ((head (lab-git "rev-parse" "HEAD")) question)
  (lab-wait "the entry" (lambda () (member "Commit accepted changes..." (lab-titles))))
  (lab-on-line 20 "Commit accepted changes...")
  (setq question (lab-document "question-"))
  (with-current-buffer question
    (dolist (part '("# Commit to `work`?" "+line 3, first" "[ ] Reject"))
      (goto-char (point-min))
      (search-forward part)))
  (unless (equal head (lab-git "rev-parse" "HEAD"))
    (error "It was committed before the answer"))
  (lab-tick question "Commit")
  (lab-wait "the commit" (lambda () (not (equal head (lab-git "rev-parse" "HEAD"))))))

;; The push is told where.
(lab-wait "the entry" (lambda () (member "Push..." (lab-titles))))
(lab-on-line 20 "Push...")
(let ((question (lab-document "question-")))
  (with-current-buffer question
    (goto-char (point-min))
    (search-forward "git push origin")
    (search-forward "not approved in a document")
    (when (search-forward "] Push" nil t)
      (error "A document would approve a push")))
  (lab-tick question "Close this question"))

;; Back. Eglot takes the word at point for a selection, so its menu is full, and the rest stands in a document.
(lab-wait "the end of the question"
          (lambda () (not (seq-find (lambda (title) (string-prefix-p "Show question" title)) (lab-titles)))))
(lab-on-line 20 "Agent: more...")
(lab-tick (lab-document "agent-") "Take back: Mark two lines.")
(lab-wait "the text before" (lambda () (equal (lab-line 3) "line 3")))
(set-buffer-modified-p nil)
(eglot-shutdown (eglot-current-server))
